"""Pictures drawn by us."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from almoner.charities.categories import CATEGORIES
from almoner.charities.pictures import draw
from almoner.charities.seed_demo import demo_catalogue

SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {SVG + tag for tag in ("svg", "rect", "circle", "ellipse", "path", "g", "defs", "use")}


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_picture_is_small_and_refers_to_nothing_outside(category: str) -> None:
    """Well-formed, plain shapes, attributes only, under 4 kB, for whatever slug."""
    for number in range(40):
        body = draw(f"slug-{number}", category)

        assert len(body) < 4_096
        for element in ET.fromstring(body).iter():
            assert element.tag in SHAPES
            for name, value in element.attrib.items():
                assert not name.startswith("on")
                assert name != "style"
                assert "url(" not in value
                assert name != "href" or value.startswith("#")
                assert "nan" not in value
                assert "--" not in value


def test_the_same_charity_has_the_same_picture_and_others_have_others() -> None:
    """Drawn anew each time, byte for byte equal."""
    drawn = [draw(charity.slug, charity.category) for charity in demo_catalogue()]

    assert drawn == [draw(charity.slug, charity.category) for charity in demo_catalogue()]
    assert len(set(drawn)) == len(drawn)
