"""The small closed set of causes, and how the codes of the registers fall into it.

Sources of the codes: the National Taxonomy of Exempt Entities (NTEE-CC) as the IRS publishes
it, the International Classification of Nonprofit and Third Sector Organizations (ICNP/TSO), the
UK Charity Activity Tags (UKCAT), and the classification of the Charity Commission for England
and Wales.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

TITLES: Final[dict[str, dict[str, str]]] = {
    "animals": {"en": "Animals", "zh-CN": "动物保护"},
    "arts": {"en": "Arts and heritage", "zh-CN": "文化艺术"},
    "children": {"en": "Children and youth", "zh-CN": "儿童与青少年"},
    "community": {"en": "Community", "zh-CN": "社区服务"},
    "disaster": {"en": "Disaster relief", "zh-CN": "救灾与应急"},
    "education": {"en": "Education", "zh-CN": "教育"},
    "environment": {"en": "Environment", "zh-CN": "环境保护"},
    "faith": {"en": "Faith", "zh-CN": "宗教信仰"},
    "health": {"en": "Health", "zh-CN": "医疗健康"},
    "housing": {"en": "Housing and homelessness", "zh-CN": "住房与安居"},
    "human-rights": {"en": "Human rights", "zh-CN": "人权"},
    "international": {"en": "International aid", "zh-CN": "国际援助"},
    "poverty": {"en": "Poverty and hunger", "zh-CN": "扶贫与温饱"},
    "research": {"en": "Science and research", "zh-CN": "科学研究"},
    "sport": {"en": "Sport and recreation", "zh-CN": "体育休闲"},
    "veterans": {"en": "Armed forces and veterans", "zh-CN": "退伍军人"},
    "other": {"en": "Other causes", "zh-CN": "其他"},
}
"""Every category with its title in each language, in the order of their keys, `other` last."""

CATEGORIES: Final = tuple(TITLES)

_NTEE: Final = {
    "A": "arts", "B": "education", "C": "environment", "D": "animals", "E": "health",
    "F": "health", "G": "health", "H": "research", "I": "community", "J": "community",
    "K": "poverty", "L": "housing", "M": "disaster", "N": "sport", "O": "children",
    "P": "community", "Q": "international", "R": "human-rights", "S": "community",
    "T": "other", "U": "research", "V": "research", "W": "community", "X": "faith",
    "Y": "other", "Z": "other",
    "I70": "human-rights", "I71": "human-rights", "I72": "children", "I73": "human-rights",
    "I80": "human-rights", "I83": "human-rights",
    "K20": "community", "K25": "environment", "K26": "community", "K28": "community",
    "M24": "community", "M40": "community", "M60": "community",
    "N20": "children", "N32": "community", "N52": "community",
    "P21": "disaster", "P24": "poverty", "P30": "children", "P31": "children",
    "P32": "children", "P33": "children", "P45": "children", "P50": "poverty",
    "P51": "poverty", "P58": "poverty", "P60": "poverty", "P61": "poverty", "P74": "health",
    "P75": "housing", "P76": "children", "P83": "human-rights", "P85": "housing",
    "P88": "human-rights",
    "Q34": "education", "Q38": "environment", "Q39": "health", "Q70": "human-rights",
    "Q71": "human-rights",
    "T31": "community", "W30": "veterans",
}  # fmt: skip

_ICNPTSO: Final = {
    "A": "arts", "A20": "sport", "A21": "sport", "A22": "sport", "A29": "sport",
    "B": "education", "C": "health",
    "D": "community", "D11": "children", "D20": "children", "D30": "disaster",
    "D31": "poverty", "D32": "housing", "D33": "disaster", "D34": "human-rights",
    "D39": "disaster",
    "E": "environment", "E20": "animals", "E21": "animals", "E22": "animals", "E29": "animals",
    "F": "community", "F11": "housing", "F30": "housing",
    "G": "community", "G11": "human-rights", "G12": "environment", "G14": "children",
    "G30": "international",
    "H": "other", "I": "faith", "J": "other", "K": "other", "K10": "research", "L": "other",
}  # fmt: skip

_UKCAT: Final = {
    "AN": "animals", "AF": "veterans", "AR": "arts", "AS": "community", "AS300": "children",
    "AS301": "children", "AS302": "children", "AS303": "children",
    "BE": "community", "BE101": "human-rights", "BE102": "children", "BE104": "children",
    "BE105": "human-rights", "BE107": "human-rights", "BE114": "children",
    "BE115": "children",
    "CA": "other", "CA101": "community", "CA103": "human-rights", "CV": "other",
    "CC": "children", "CJ": "community", "CJ104": "human-rights",
    "EC": "community", "EC103": "international", "ED": "education", "EN": "environment",
    "FA": "community", "FA104": "environment", "FA105": "environment", "FA106": "sport",
    "FA108": "children", "HE": "health", "HR": "arts", "HR106": "environment",
    "HO": "housing", "LE": "sport", "LE102": "community", "LE103": "community", "PR": "other",
    "RL": "faith", "RS": "research", "SL": "disaster", "SC": "community",
    "SC103": "children", "SC104": "children", "SW": "community", "SW201": "children",
    "SW203": "housing", "SW300": "poverty", "SW301": "poverty", "SW105": "poverty",
    "SO": "human-rights", "SO101": "community",
}  # fmt: skip

_COMMISSION: Final = {
    "111": "animals", "114": "veterans", "108": "faith", "110": "sport", "112": "environment",
    "106": "international", "107": "housing", "115": "human-rights", "105": "poverty",
    "109": "arts", "103": "health", "201": "children", "102": "education", "113": "community",
    "104": "community", "116": "sport", "101": "other", "117": "other",
}  # fmt: skip
"""What a charity does (1xx) and children among those it helps, the most telling first."""


_WORDS: Final = tuple(
    (re.compile(rf"\b(?:{words})", re.IGNORECASE), category)
    for category, words in (
        ("animals", r"(?:animal|cat|dog|horse|bird)s?\b|donkey|zoo|wildlife|veterinary"),
        ("veterans", r"veterans?\b|armed forces|royal british legion|ex-service|regiment"),
        ("faith", r"church|dioces|parish|mosque|synagogue|cathedral|gospel|mission|religio"),
        ("housing", r"housing|homeless|almshouse"),
        ("health", r"hospice|hospital|cancer|health|medical|nursing|ambulance|dementia|heart"),
        ("disaster", r"lifeboat|disaster|emergenc|red cross|humanitarian"),
        ("children", r"child|youth|young people|scout|girlguiding"),
        ("education", r"school|college|universit|academy|educat|student"),
        ("arts", r"theatre|museum|orchestra|opera|ballet|galler|arts?\b|heritage|music"),
        ("environment", r"environment|woodland|conservation|climate|nature\b"),
        ("sport", r"sports?\b|leisure|athletic|football|cricket"),
        ("international", r"overseas|international (?:aid|development)|developing countries"),
        ("poverty", r"poverty|food ?bank|hunger"),
        ("human-rights", r"human rights|refugee|asylum|torture"),
        ("research", r"research|scien"),
    )
)  # fmt: skip
"""For rows without any code. The first that occurs decides."""


def from_ntee(code: str) -> str:
    """The category of an NTEE code of 1-4 characters: by three characters, then the letter.

    The fourth character qualifies the third (`Z`, `0`, a common code) and never the cause, so
    no four-character code has an entry of its own. A blank or unknown code is `other`.
    """
    code = code.strip().upper()
    return _NTEE.get(code[:3]) or _NTEE.get(code[:1], "other")


def from_uk(icnptso: str, ukcat: str) -> str:
    """The category of a UK row: its one ICNP/TSO code, else the first tag that says something."""
    codes = [tag.strip().upper() for tag in ukcat.split(";")]
    found = [from_icnptso(icnptso), *(from_ukcat(code) for code in codes)]
    return next((category for category in found if category != "other"), "other")


def from_words(name: str, description: str) -> str:
    """The category that the words of a row without codes suggest; the name counts first."""
    for text in (name, description[:300]):
        for pattern, category in _WORDS:
            if pattern.search(text):
                return category
    return "other"


def from_icnptso(code: str) -> str:
    """The category of an ICNP/TSO code such as `D11`, `D10` or `D`."""
    code = code.strip().upper()
    return _ICNPTSO.get(code) or _ICNPTSO.get(code[:1], "other")


def from_ukcat(code: str) -> str:
    """The category of one UK Charity Activity Tag such as `AN102`."""
    code = code.strip().upper()
    return _UKCAT.get(code) or _UKCAT.get(code[:2], "other")


def from_commission(codes: Iterable[str]) -> str:
    """The category of a set of classification codes of the Charity Commission."""
    present = set(codes)
    return next((title for code, title in _COMMISSION.items() if code in present), "other")
