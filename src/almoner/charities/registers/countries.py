"""Countries by their English names, as registers write them."""

from __future__ import annotations

from functools import cache
from typing import Final

from babel import Locale

_ALSO: Final = {
    "BAHAMAS": "BS", "BOSNIA-HERZEGOVINA": "BA", "BRITISH VIRGIN ISLANDS": "VG", "BURMA": "MM",
    "CONGO": "CG", "COTE D IVOIRE": "CI", "COTE DIVOIRE": "CI", "CZECH REPUBLIC": "CZ",
    "DEMOCRATIC REPUBLIC OF THE CONGO": "CD", "ENGLAND": "GB", "GAMBIA": "GM",
    "GREAT BRITAIN": "GB", "HOLLAND": "NL", "HONG KONG": "HK", "IVORY COAST": "CI",
    "KOREA": "KR", "MACAU": "MO", "MACEDONIA": "MK", "MYANMAR": "MM", "NORTHERN IRELAND": "GB",
    "PALESTINE": "PS", "PEOPLES REPUBLIC OF CHINA": "CN", "REPUBLIC OF KOREA": "KR",
    "RUSSIAN FEDERATION": "RU", "SCOTLAND": "GB", "SLOVAK REPUBLIC": "SK", "SWAZILAND": "SZ",
    "TANZANIA UNITED REPUBLIC OF": "TZ", "TURKEY": "TR", "UNITED KINGDOM": "GB", "VIET NAM": "VN",
    "WALES": "GB", "WEST BANK": "PS",
}  # fmt: skip


def country_named_at_end(text: str) -> str | None:
    """The ISO 3166 code of the country that `text` ends in (`TORONTO CANADA`), or None."""
    words = text.upper().replace(",", " ").replace("'", "").replace(".", "").split()
    for start in range(len(words)):
        code = _codes().get(" ".join(words[start:]))
        if code is not None:
            return code
    return None


@cache
def _codes() -> dict[str, str]:
    territories = Locale("en").territories
    named = {
        name.upper().replace("'", "").replace("\u2019", "").replace("&", "AND"): code
        for code, name in territories.items()
        if len(code) == 2 and code.isalpha() and code not in {"EU", "EZ", "UN", "XA", "XB", "ZZ"}
    }
    return named | _ALSO
