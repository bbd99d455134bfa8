"""Debian's Chromium, kept quiet: no updates, no calls home."""

from __future__ import annotations

from typing import Final

EXECUTABLE: Final = "/usr/bin/chromium"
FLAGS: Final = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
