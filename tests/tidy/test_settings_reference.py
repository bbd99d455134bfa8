"""The page of settings is what the settings say."""

from __future__ import annotations

import runpy

from tidy.project import ROOT


def test_the_page_is_written_from_the_code() -> None:
    """Run deploy/write-settings-reference after a change of platform/settings.py."""
    script = runpy.run_path(str(ROOT / "deploy" / "write-settings-reference"))
    page = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")

    assert page == script["reference"]()
