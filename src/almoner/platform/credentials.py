"""The credential that our own services show each other."""

from __future__ import annotations

import hmac

from almoner.platform.errors import Problem


class NotOurs(Problem):
    """A caller without the service credential."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            401,
            "service_credential_needed",
            "Only our own services may call this",
            detail,
            headers={"WWW-Authenticate": "Bearer"},
        )


class ServiceCredential:
    """Checks the bearer token of a call between services. Empty means that nobody may call."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def check(self, authorization: str | None) -> None:
        """Raise NotOurs unless the header carries the credential."""
        scheme, _, given = (authorization or "").partition(" ")
        if not self._token:
            raise NotOurs("No service credential is configured here.")
        matches = hmac.compare_digest(given.strip().encode(errors="replace"), self._token)
        if scheme.lower() != "bearer" or not matches:
            raise NotOurs("Send the service credential as Authorization: Bearer.")
