"""Show one charity: from a row to the wire, in the reader's language."""

from __future__ import annotations

from typing import Any

from almoner.charities.registers import shortened
from almoner.charities.schemas import SUMMARY_LENGTH_MAX, CharityItem, RegisterEntry


def item_of(row: dict[str, Any], lang: str, currencies: list[str], *, summary: bool) -> CharityItem:
    """A row on the wire. `currencies` are those of this installation; a charity may take fewer."""
    chinese = lang == "zh-CN"
    description = (row["description_zh"] if chinese else None) or row["description"]
    if summary and description:
        description = shortened(description, SUMMARY_LENGTH_MAX)
    taken = row["currencies"]
    return CharityItem(
        charity_id=row["charity_id"],
        slug=row["slug"],
        name=(row["name_zh"] if chinese else None) or row["name"],
        description=description,
        category=row["category"],
        country=row["country"],
        place=row["place"],
        website=row["website"],
        register=RegisterEntry(row["register"], row["register_id"]) if row["register"] else None,
        picture=row["picture"] or f"/pictures/{row['slug']}.svg",
        currencies=[code for code in currencies if taken is None or code in taken],
        status=row["status"],
    )
