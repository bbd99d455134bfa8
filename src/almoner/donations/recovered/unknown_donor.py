"""The unknown donor: who gave what only the gateway still knew."""

from __future__ import annotations

from almoner.donors.donor import Donor, donor_id_of
from almoner.platform.ids import IdDeriver


def unknown_donor(ids: IdDeriver) -> Donor:
    """Who gave what was recovered. `.invalid` is nobody's (RFC 2606)."""
    email = "unknown@recovered.invalid"
    return Donor(donor_id_of(ids, email), email, email, "Unknown", "(recovered)", "en")
