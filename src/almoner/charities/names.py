"""Names that registers write in capitals, as people read them.

Nothing is added, left out or expanded; only the case of letters changes, and only in a name
that has no small letter at all.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_SPACES: Final = re.compile(r"[\s\x00-\x1f\x7f]+")
_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_ORDINAL: Final = re.compile(r"\d+(?:st|nd|rd|th)s?", re.IGNORECASE)
_ROMAN: Final = re.compile(r"(?=[IVX])X{0,3}(?:IX|IV|V?I{0,3})")
_CONSONANTS: Final = re.compile(r"[BCDFGHJKLMNPQRSTVWXZ]{2,5}")
_VOWEL_FREE_WORDS: Final = re.compile(r"(?:ST|ND|RD|TH)S?")

_SMALL = (
    "a an and as at by de del der des di du et for from in into la las los nor of on or te the to "
    "und van von with y"
)
SMALL_WORDS: Final = frozenset(_SMALL.split())
"""Written small unless they begin or end the name."""

_SHORT = (
    "ASSN BLDG BLVD BRDG BROS CNTR CNTY CTR CTRS DR DRS FDN FDTN FND FT GR GRP HS HTS JR LN LTD "
    "MGMT MR MRS MS MSGR MT MTN MTNS NTL PK PKWY PRK PTNRS RD SCH SCHL SQ SR ST STS TR TRST TWP "
    "WKS WM"
)
SHORTENED: Final = frozenset(_SHORT.split())
"""Shortened words, which are no initials although they have no vowel."""

_INITIAL = (
    "AA AARP ABC ACLU ADHD AFL AFS AIA AIDS AIPAC AJC ALA ALS AMA AME AMVETS ANZAC APA ASPCA AUA "
    "BAFTA BBC BIA BSA CAIR CEO CIA CIC CIO COPD COVID CPA DAR DAV DBA DJ EAA ECPAT EMDR EMS EMT "
    "ESL EU FAA FAO FBI FEMA FFA FIFA GAA GED HCA HIAS HIV HOA IBM ICC ICU IEA IEEE IIE ILO IOM "
    "IRA IRC IRS ISKCON IUCN IVF JCC JDRF KIPP LGBT LGBTI LGBTQ LGBTQIA LLC LLP LSE LULAC MADD "
    "MENA MIT MOMA MSI NAACP NAMI NASA NATO NBA NCAA NCJW NEA NFL NGO NHS NRA NSPCC NYU OCA OIC "
    "OSHA PBS PETA PGA PTA PTO PTSA RAF RFE RNIB RNID RNLI ROTC RSA RSPB RSPCA SAE SOS SPCA SSPCA "
    "STEM TEFL TV UAE UAW UCC UCL UCLA UCP UHF UJA UK UMC UN UNA UNESCO UNHCR UNICEF UNRWA URC US "
    "USA USAF USAID USC USMC USO USPS USS USTA UU VA VFW WIC WWF WWI WWII YHA YMCA YMHA YWCA "
    "ZOA"
)
INITIALS: Final = frozenset(_INITIAL.split())
"""Initials that have a vowel. A word of 2-5 consonants alone is taken for initials anyway."""


def plain_text(text: str) -> str:
    """One line: runs of white space and control characters become one space."""
    return _SPACES.sub(" ", text).strip()


def readable(name: str) -> str:
    """A name in capitals in title case; any other name as it is, in one line."""
    name = plain_text(name)
    if any(letter.islower() for letter in name):
        return name
    words = list(_WORD.finditer(name))
    parts, end = [], 0
    for index, word in enumerate(words):
        parts.append(name[end : word.start()])
        parts.append(_cased(name, words, index))
        end = word.end()
    return "".join(parts) + name[end:]


def _cased(name: str, words: list[re.Match[str]], index: int) -> str:
    text = words[index].group()
    if len(text) == 1 and _among_initials(name, words, index):
        return text
    if text.lower() in SMALL_WORDS and _inside(name, words, index):
        return text.lower()
    return _word(text)


@lru_cache(maxsize=50_000)
def _word(text: str) -> str:
    """One word by itself; registers repeat the same few thousand."""
    if _ORDINAL.fullmatch(text):
        return text.lower()
    return text if _stays_in_capitals(text) else _capitalised(text)


def _stays_in_capitals(text: str) -> bool:
    if text in SHORTENED or _VOWEL_FREE_WORDS.fullmatch(text):
        return False
    if text in INITIALS or _ROMAN.fullmatch(text) or _CONSONANTS.fullmatch(text):
        return True
    digits = sum(letter.isdigit() for letter in text)
    return digits > 0 and len(text) - digits <= 3


def _capitalised(text: str) -> str:
    """`O'BRIEN` O'Brien, `CHILDREN'S` Children's, `MCDONALD` McDonald."""
    pieces = re.split(r"(['\u2019])", text.lower())
    if len(pieces[0]) == 1 and len(pieces) > 1 and len(pieces[2]) > 1:
        pieces[2] = pieces[2].capitalize()
    head = pieces[0].capitalize()
    if head.startswith("Mc") and len(head) > 4:
        head = "Mc" + head[2:].capitalize()
    return head + "".join(pieces[1:])


def _inside(name: str, words: list[re.Match[str]], index: int) -> bool:
    """Whether a word is neither first nor last, of the name or of what is in brackets."""
    if index in (0, len(words) - 1):
        return False
    gap = name[words[index - 1].end() : words[index].start()]
    return not any(mark in gap for mark in '(["/:.;') and gap.strip() != "-"


def _among_initials(name: str, words: list[re.Match[str]], index: int) -> bool:
    """Whether a single letter stands beside another, as in `U S A` or `D.C.`."""
    for other in (index - 1, index + 1):
        if 0 <= other < len(words) and len(words[other].group()) == 1:
            first, second = sorted((words[index], words[other]), key=lambda word: word.start())
            if name[first.end() : second.start()] in {" ", ".", ". ", "&", " & "}:
                return True
    return False
