"""Who gives."""

from __future__ import annotations

from uuid import UUID

from msgspec import Struct

from almoner.platform.ids import IdDeriver


class Donor(Struct, frozen=True):
    """A donor as the first gift names them. A later gift does not change what is stored."""

    donor_id: UUID
    email: str
    email_normalised: str
    first_name: str
    last_name: str
    locale: str


def donor_id_of(ids: IdDeriver, email_normalised: str) -> UUID:
    """The id of whoever holds this mail address, known without asking anybody."""
    return ids.derive("donor", email_normalised)
