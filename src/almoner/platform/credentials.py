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

    def is_shown(self, authorization: str | None) -> bool:
        """Whether a caller says that it is one of us, and is. Other schemes say nothing of that.

        Raises NotOurs for a bearer token that is not the credential.
        """
        if (authorization or "").partition(" ")[0].lower() != "bearer":
            return False
        self.check(authorization)
        return True

    def check(self, authorization: str | None) -> None:
        """Raise NotOurs unless the header carries the credential."""
        scheme, _, given = (authorization or "").partition(" ")
        if not self._token:
            raise NotOurs("No service credential is configured here.")
        matches = hmac.compare_digest(given.strip().encode(errors="replace"), self._token)
        if scheme.lower() != "bearer" or not matches:
            raise NotOurs("Send the service credential as Authorization: Bearer.")
