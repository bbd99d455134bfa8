"""What the picture of each category shows, in simple shapes on a field of 480 by 270."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Final

WIDTH, HEIGHT = 480, 270

Palette = tuple[str, str, str, str, str, str]
"""Sky, sun, far, near, accent, light: from the back of a picture to its front."""

Scene = Callable[[Random, Palette], str]


def circle(x: float, y: float, r: float, fill: str, extra: str = "") -> str:
    """A disc."""
    return f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{r:.4g}" fill="{fill}"{extra}/>'


def path(d: str, fill: str, extra: str = "") -> str:
    """A filled shape."""
    return f'<path d="{d}" fill="{fill}"{extra}/>'


def line(d: str, stroke: str, width: float, extra: str = "") -> str:
    """A line with round ends."""
    return (
        f'<path d="{d}" fill="none" stroke="{stroke}" stroke-width="{width:g}" '
        f'stroke-linecap="round" stroke-linejoin="round"{extra}/>'
    )


def rect(x: float, y: float, w: float, h: float, fill: str, r: float = 0) -> str:
    """A rectangle, with rounded corners when `r` is given."""
    rounded = f' rx="{r:g}"' if r else ""
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{w:.0f}" height="{h:.0f}" fill="{fill}"{rounded}/>'
    )


def hill(random: Random, y: float, fill: str) -> str:
    """A soft line of hills across the whole width."""
    a, b, c = (y + random.uniform(-22, 22) for _ in range(3))
    return path(f"M0 {a:.0f}C120 {a - 45:.0f} 170 {b + 30:.0f} 260 {b:.0f}S400 {c - 35:.0f} 480 "
                f"{c:.0f}V270H0Z", fill)  # fmt: skip


def sun(random: Random, colour: str) -> str:
    """The sun or moon with a pale ring."""
    x, y, r = random.uniform(80, 400), random.uniform(58, 96), random.uniform(26, 38)
    return circle(x, y, r * 1.5, colour, ' opacity=".3"') + circle(x, y, r, colour)


def landscape(random: Random, p: Palette) -> str:
    """Sky, sun and two lines of hills: the ground of most pictures."""
    return sun(random, p[1]) + hill(random, 185, p[2]) + hill(random, 222, p[3])


def bird(x: float, y: float, size: float, colour: str) -> str:
    """A bird far away."""
    return line(f"M{x - size:.0f} {y:.0f}q{size / 2:.0f}-{size * .7:.0f} {size:.0f} 0q"
                f"{size / 2:.0f}-{size * .7:.0f} {size:.0f} 0", colour,
                max(2, size / 6))  # fmt: skip


def animals(random: Random, p: Palette) -> str:
    """A cat and a bird that look at each other."""
    flip = random.choice((1, -1))
    x = 240 + flip * random.uniform(-60, -20)
    cat = (
        path("M-34 0C-40-48-22-66 0-66S40-48 36 0Z", p[4])
        + path("M-24-112L-19-78-2-94ZM24-112L19-78 2-94Z", p[4])
        + circle(0, -84, 25, p[4])
        + line("M33-6C66-4 68-40 56-52", p[4], 10)
        + circle(-9, -86, 3, p[5])
        + circle(9, -86, 3, p[5])
        + path("M-4-77h8l-4 4z", p[5])
    )
    small = (
        path("M-20 0C-20-20 0-24 14-16L26-20 18-8C14 4-8 8-20 0Z", p[5])
        + circle(12, -16, 9, p[5])
        + path("M20-18l10 3-10 3z", p[1])
        + circle(14, -18, 1.8, p[4])
    )
    return (
        landscape(random, p)
        + f'<g transform="translate({x:.0f} 246)">{cat}</g>'
        + f'<g transform="translate({x + flip * 120:.0f} 232) scale({-flip * 1.1:g} 1.1)">'
        + f"{small}</g>"
    )


def arts(random: Random, p: Palette) -> str:
    """A house with columns on a square."""
    count = random.choice((4, 5, 6))
    width = 250
    x = (WIDTH - width) / 2
    step = (width - 40) / (count - 1)
    columns = "".join(rect(x + 12 + i * step, 132, 16, 84, p[5]) for i in range(count))
    return (
        sun(random, p[1]) + hill(random, 196, p[2])
        + path(f"M{x - 14:.0f} 118L240 62 {x + width + 14:.0f} 118Z", p[4])
        + circle(240, 98, 10, p[1])
        + rect(x - 6, 118, width + 12, 14, p[5]) + rect(x + 4, 132, width - 8, 84, p[4])
        + columns + rect(x - 10, 214, width + 20, 12, p[5])
        + rect(x - 26, 226, width + 52, 12, p[2])
        + rect(0, 238, 480, 32, p[3])
    )  # fmt: skip


def children(random: Random, p: Palette) -> str:
    """Kites over hills."""
    kites = ""
    for i, colour in enumerate((p[4], p[5], p[1])):
        x, y = 100 + i * 130 + random.uniform(-25, 25), random.uniform(55, 105)
        s, turn = random.uniform(26, 38), random.uniform(-25, 25)
        kites += (
            line(f"M{x:.0f} {y:.0f}q{random.uniform(-40, 40):.0f} 70 {240 - x:.0f} {240 - y:.0f}",
                 p[3], 1.5, ' opacity=".55"')
            + f'<g transform="translate({x:.0f} {y:.0f}) rotate({turn:.0f})">'
            + path(f"M0-{s:.0f}L{s * .7:.0f} 0 0 {s * 1.3:.0f}-{s * .7:.0f} 0Z", colour)
            + line(f"M0-{s:.0f}V{s * 1.3:.0f}M-{s * .7:.0f} 0H{s * .7:.0f}", p[3], 1.5,
                   ' opacity=".5"') + "</g>"
        )  # fmt: skip
    return hill(random, 180, p[2]) + kites + hill(random, 222, p[3])


def community(random: Random, p: Palette) -> str:
    """People of all sizes side by side."""
    people, x = "", 52.0
    colours = [p[4], p[5], p[2], p[1]]
    previous = ""
    while x < 440:
        colour = random.choice([c for c in colours if c != previous])
        previous = colour
        h, w = random.uniform(62, 108), random.uniform(22, 29)
        top = 250 - h
        people += circle(x, top - w * 0.72, w * 0.62, colour) + path(
            f"M{x - w:.0f} 270V{top + w:.0f}a{w:.0f} {w:.0f} 0 0 1 {2 * w:.0f} 0V270Z", colour
        )
        x += w * 2 + random.uniform(4, 14)
    return sun(random, p[1]) + hill(random, 176, p[3]) + people


def disaster(random: Random, p: Palette) -> str:
    """A lighthouse and a boat coming home."""
    x = random.choice((120, 360))
    to = 1 if x < 240 else -1
    boat = 240 + to * random.uniform(30, 90)
    stripes = "".join(
        path(f"M{x - 20 + k * 2.4:.1f} {186 - k * 24}l2-16h{36 - k * 4.8:.1f}l2 16z", p[4])
        for k in (0, 1.5, 3)
    )
    return (
        path(f"M{x} 74L{x + to * 420} 0V158Z", p[1], ' opacity=".28"')
        + path(f"M{x - 24} 210L{x - 13} 84H{x + 13}L{x + 24} 210Z", p[5]) + stripes
        + rect(x - 17, 78, 34, 7, p[3]) + rect(x - 10, 60, 20, 18, p[1])
        + path(f"M{x - 15} 60L{x} 44 {x + 15} 60Z", p[4])
        + path(f"M{x - 80} 226Q{x} 176 {x + 80} 226Z", p[2])
        + path(f"M{boat - 34:.0f} 206h68l-14 22h-42z", p[4])
        + path(f"M{boat:.0f} 200v-52l28 46zM{boat - 5:.0f} 200v-40l-22 36z", p[5])
        + waves(random, p)
    )  # fmt: skip


def waves(random: Random, p: Palette) -> str:
    """The sea in two rows."""
    shift = random.randrange(60)
    rows = ""
    for y, colour in ((222, p[2]), (240, p[3])):
        d = f"M-{60 + shift} {y}" + "q15-12 30 0t30 0" * 11
        rows += path(d + "V270H-120Z", colour)
        shift = 60 - shift
    return rows


def education(random: Random, p: Palette) -> str:
    """An open book under rising stars."""
    stars = "".join(
        circle(150 + i * 30 + random.uniform(-10, 10),
               118 - math.sin((i + 0.5) / 7 * math.pi) * random.uniform(40, 74),
               random.uniform(4, 9), random.choice((p[1], p[4], p[5])))
        for i in range(7)
    )  # fmt: skip
    lines = "".join(
        line(f"M{x} {y}q44-14 84 2", p[2], 3, ' opacity=".75"')
        for x, y in ((140, 168), (140, 184), (140, 200), (256, 168), (256, 184), (256, 200))
    )
    return (
        hill(random, 176, p[2]) + hill(random, 226, p[3]) + stars
        + path("M112 146Q180 122 240 148 300 122 368 146V232Q300 208 240 234 180 208 112 232Z",
               p[4])
        + path("M120 140Q182 116 240 142V226Q182 200 120 224ZM360 140Q298 116 240 142V226Q298 200 "
               "360 224Z", p[5]) + lines + line("M240 142V226", p[2], 2)
    )  # fmt: skip


def environment(random: Random, p: Palette) -> str:
    """A wood of round and pointed trees."""
    trees = ""
    for i in range(9):
        x, s = 30 + i * 53 + random.uniform(-14, 14), random.uniform(0.75, 1.35)
        colour = (p[4], p[3], p[1])[random.randrange(3)]
        crown = (
            path("M0-92L26-38H13L32 0H-32L-13-38H-26Z", colour)
            if random.random() < 0.55
            else circle(0, -50, 30, colour)
        )
        trees += (
            f'<g transform="translate({x:.0f} {228 + random.uniform(-6, 10):.0f}) '
            f'scale({s:.2f})">{rect(-3, -26, 6, 42, p[2])}{crown}</g>'
        )
    return sun(random, p[1]) + hill(random, 168, p[2]) + trees + hill(random, 244, p[3])


def faith(random: Random, p: Palette) -> str:
    """Candles in arched windows."""
    out = rect(0, 0, 480, 270, p[3])
    for i in range(3):
        x = 110 + i * 130
        top = 78 - (22 if i == 1 else 0)
        out += path(f"M{x - 46} 270V{top + 40}a46 46 0 0 1 92 0V270Z", (p[2], p[4])[i == 1])
        out += path(f"M{x - 36} 270V{top + 42}a36 36 0 0 1 72 0V270Z", p[0])
        h = random.uniform(44, 84)
        y = 240 - h
        out += circle(x, y - 12, 30, p[1], ' opacity=".35"') + rect(x - 9, y, 18, h, p[5], 3)
        out += path(f"M{x} {y - 34:.0f}q16 20 0 30q-16-10 0-30z", p[1])
    return out + rect(0, 240, 480, 30, p[4])


def health(random: Random, p: Palette) -> str:
    """A heart with its pulse."""
    s = random.uniform(1.0, 1.2)
    x = random.uniform(215, 265)
    return (
        hill(random, 178, p[2]) + hill(random, 224, p[3])
        + circle(x, 128, 96 * s, p[5], ' opacity=".45"')
        + f'<g transform="translate({x:.0f} 132) scale({s:.2f})">'
        + path("M0 62C-98 0-66-66-24-60-8-58 0-44 0-40 0-44 8-58 24-60 66-66 98 0 0 62Z", p[4])
        + "</g>" + line(f"M0 {136}H{x - 46:.0f}l14-30 20 58 18-44 10 16H480", p[5], 5)
    )  # fmt: skip


def housing(random: Random, p: Palette) -> str:
    """A street of houses with light in the windows."""
    street, x, i = "", -12.0, 0
    while x < 480:
        w, h = random.uniform(62, 96), random.uniform(62, 118)
        y, colour = 240 - h, (p[4], p[5], p[2])[i % 3]
        roof = (p[3], p[4])[i % 3 != 0]
        street += rect(x, y, w, h, colour)
        street += path(
            f"M{x - 7:.0f} {y:.0f}L{x + w / 2:.0f} {y - 34:.0f} {x + w + 7:.0f} {y:.0f}Z", roof
        )
        for row in range(int(h // 44)):
            for column in (0.26, 0.74):
                lit = p[1] if random.random() < 0.75 else p[3]
                street += rect(x + w * column - 9, y + 14 + row * 36, 18, 20, lit, 2)
        street += path(f"M{x + w / 2 - 9:.0f} 240v-20a9 9 0 0 1 18 0v20z", p[3])
        x, i = x + w + 8, i + 1
    return sun(random, p[1]) + hill(random, 160, p[2]) + street + rect(0, 238, 480, 32, p[3])


def human_rights(random: Random, p: Palette) -> str:
    """Doves rising towards the light."""
    out = circle(240, 250, 150, p[1], ' opacity=".35"') + circle(
        240, 250, 105, p[1], ' opacity=".6"'
    )
    out += hill(random, 206, p[2]) + hill(random, 236, p[3])
    for i in range(5):
        x, y = 70 + i * 85 + random.uniform(-22, 22), 64 + abs(i - 2) * 24 + random.uniform(-14, 22)
        s, turn = random.uniform(0.6, 1.15), random.uniform(-18, 10)
        flip = random.choice((1, -1))
        out += (
            f'<g transform="translate({x:.0f} {y:.0f}) rotate({turn:.0f}) '
            f'scale({s * flip:.2f} {s:.2f})">'
            + path("M-34 8C-14 10-6 0 2-8-4-26-22-38-30-40 0-42 16-28 20-12 30-20 36-14 46-12 34-6 "
                   "30 16 2 18-10 18-22 16-34 8Z", p[5] if i % 2 else p[4]) + "</g>"
        )  # fmt: skip
    return out


def international(random: Random, p: Palette) -> str:
    """The globe with its meridians, and birds around it."""
    turn = random.uniform(-24, 24)
    r = 88
    globe = circle(0, 0, r, p[4])
    globe += "".join(
        f'<ellipse rx="{rx}" ry="{r}" fill="none" stroke="{p[5]}" stroke-width="3" opacity=".8"/>'
        for rx in (28, 62)
    )
    globe += line("M-88 0H88M-76-44H76M-76 44H76M0-88V88", p[5], 3, ' opacity=".8"')
    x = random.uniform(200, 280)
    birds = "".join(
        bird(random.uniform(40, 440), random.uniform(36, 110), random.uniform(9, 15), p[3])
        for _ in range(4)
    )
    return (hill(random, 190, p[2]) + f'<g transform="translate({x:.0f} 132) rotate({turn:.0f})">'
            + globe + "</g>" + birds + waves(random, p))  # fmt: skip


def poverty(random: Random, p: Palette) -> str:
    """Ripe wheat under the sun."""
    grains = "".join(
        path(f"M0 {28 + k * 14}q{side * 15}-3 {side * 13}-17q{-side * 13} 1 {-side * 13} 17z", "")
        for k in range(4) for side in (1, -1)
    )  # fmt: skip
    ear = path("M0 28q9-14 0-28q-9 14 0 28z", "") + grains + path("M-2 20h4v190h-4z", "")
    ears = f'<defs><g id="ear">{ear.replace(chr(32) + "fill=" + chr(34) * 2, "")}</g></defs>'
    for i in range(9):
        x, y = 36 + i * 50 + random.uniform(-14, 14), random.uniform(84, 146)
        colour = (p[1], p[5], p[4])[random.randrange(3)]
        ears += (f'<use href="#ear" fill="{colour}" transform="translate({x:.0f} {y:.0f}) '
                 f'rotate({random.uniform(-8, 8):.0f})"/>')  # fmt: skip
    return landscape(random, p) + ears + hill(random, 250, p[3])


def research(random: Random, p: Palette) -> str:
    """A molecule."""
    points = [
        (70 + i * 68 + random.uniform(-16, 16), 92 + (i % 2) * 74 + random.uniform(-24, 24))
        for i in range(6)
    ]
    bonds = "".join(f"{'M' if i == 0 else 'L'}{x:.0f} {y:.0f}" for i, (x, y) in enumerate(points))
    out = hill(random, 204, p[2]) + hill(random, 236, p[3]) + line(bonds, p[2], 7)
    for x, y in points[1::2]:
        bx, by = x + random.uniform(-20, 30), y + random.choice((-1, 1)) * random.uniform(46, 60)
        by = min(max(by, 30), 236)
        out += line(f"M{x:.0f} {y:.0f}L{bx:.0f} {by:.0f}", p[2], 5) + circle(bx, by, 11, p[5])
    for i, (x, y) in enumerate(points):
        out += circle(x, y, random.uniform(19, 31), (p[4], p[1])[i % 2])
        out += circle(x - 6, y - 7, 5, p[0], ' opacity=".6"')
    return out


def sport(random: Random, p: Palette) -> str:
    """The bend of a running track, and a ball."""
    lanes = "".join(
        f'<ellipse cx="{240}" cy="290" rx="{330 - i * 44}" ry="{172 - i * 27}" fill="{p[4]}" '
        f'stroke="{p[5]}" stroke-width="3"/>' for i in range(4)
    )  # fmt: skip
    x, y = random.uniform(110, 370), random.uniform(50, 74)
    return (
        sun(random, p[1]) + hill(random, 150, p[2]) + lanes
        + '<ellipse cx="240" cy="290" rx="154" ry="64" fill="' + p[3] + '"/>'
        + circle(x, y, 30, p[5])
        + line(f"M{x - 28:.0f} {y - 8:.0f}q28 18 56 0M{x - 22:.0f} {y + 20:.0f}q22-18 44 0",
               p[4], 4)
    )  # fmt: skip


def veterans(random: Random, p: Palette) -> str:
    """A field of poppies."""
    out = landscape(random, p)
    for i in range(9):
        x, h = 36 + i * 51 + random.uniform(-16, 16), random.uniform(44, 108)
        y, s = 262 - h, random.uniform(0.75, 1.25)
        out += line(
            f"M{x:.0f} 270Q{x + random.uniform(-12, 12):.0f} {y + h / 2:.0f} {x:.0f} {y:.0f}",
            p[5],
            3,
        )
        out += (f'<g transform="translate({x:.0f} {y:.0f}) scale({s:.2f})">'
                + path("M-24 2C-30-22-8-28 0-16 8-28 30-22 24 2 18 22-18 22-24 2Z", p[4])
                + circle(0, 0, 7, p[3]) + "</g>")  # fmt: skip
    return out


def other(random: Random, p: Palette) -> str:
    """Circles that share a middle ground."""
    out = ""
    for i in range(5):
        out += circle(random.uniform(80, 400), random.uniform(70, 190), random.uniform(44, 84),
                      (p[4], p[1], p[5], p[2], p[4])[i], ' opacity=".72"')  # fmt: skip
    return out + hill(random, 226, p[3])


SCENES: Final[dict[str, Scene]] = {
    "animals": animals, "arts": arts, "children": children, "community": community,
    "disaster": disaster, "education": education, "environment": environment, "faith": faith,
    "health": health, "housing": housing, "human-rights": human_rights,
    "international": international, "poverty": poverty, "research": research, "sport": sport,
    "veterans": veterans, "other": other,
}  # fmt: skip
