"""Web addresses as registers hold them: without scheme, twice in one field, or not at all."""

from __future__ import annotations

import re
from typing import Final

_SCHEME: Final = re.compile(r"^(?:(https?)[:;]?/{1,3}|(https?):)", re.IGNORECASE)
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)+[a-z]{{2,24}}")
_REST: Final = re.compile(r"(?::\d{1,5})?(?:[/?#][\w\-.~:/?#\[\]@!$&'()*+,;=%]*)?", re.ASCII)
LENGTH_MAX: Final = 300


def website_of(text: str) -> str | None:
    """A usable address, or None for what is not one (`http://in progress`, `N/A`, a mailbox).

    Of several in one field the first counts. Without a scheme it becomes `http://`, as browsers
    have always read such an address: nobody told us that the site speaks TLS.
    """
    candidate = text.strip().strip("<>\"'")
    scheme = "http"
    while match := _SCHEME.match(candidate):
        scheme = (match.group(1) or match.group(2)).lower()
        candidate = candidate[match.end() :]
    if " " in candidate and "," not in candidate and ";" not in candidate:
        return None
    first = re.split(r"[,;\s]", candidate, maxsplit=1)[0]
    host, rest = _split(first)
    address = f"{scheme}://{host.lower()}{rest}"
    if not _HOST.fullmatch(host.lower()) or not _REST.fullmatch(rest):
        return None
    return address.rstrip("/") if len(address) <= LENGTH_MAX else None


def _split(address: str) -> tuple[str, str]:
    end = re.search(r"[:/?#]", address)
    return (address[: end.start()], address[end.start() :]) if end else (address, "")
