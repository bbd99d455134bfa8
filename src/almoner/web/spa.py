"""Serve the built single-page application from memory."""

from __future__ import annotations

import hashlib
from mimetypes import guess_type
from pathlib import Path, PurePosixPath
from typing import Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from msgspec import Struct

from almoner.platform.errors import NotFound
from almoner.platform.http import AnyRequest

DIST: Final = Path(__file__).parent / "dist"
IMMUTABLE: Final = "public, max-age=31536000, immutable"
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; frame-src 'none'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; object-src 'none'"
)
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
_NOT_BUILT: Final = (
    b"<!doctype html><html lang=en><meta charset=utf-8><title>Almoner</title>"
    b"<h1>The pages are not built</h1><p>Run <code>make web</code> in the checkout. "
    b"The API works without them.</p></html>"
)


class StaticFile(Struct, frozen=True):
    """One file, with its compressed forms by content coding."""

    body: bytes
    media_type: str
    etag: str
    immutable: bool
    encoded: dict[str, bytes]


def read_files(dist: Path) -> dict[str, StaticFile]:
    """Every file of the build by its path below `/`. Empty when nothing was built."""
    compressed = tuple(suffix for _, suffix in _ENCODINGS)
    return {
        path.relative_to(dist).as_posix(): _read_file(path, dist)
        for path in sorted(dist.rglob("*"))
        if path.is_file() and path.suffix not in compressed
    }


def _read_file(path: Path, dist: Path) -> StaticFile:
    body = path.read_bytes()
    media_type = guess_type(path.name)[0] or "application/octet-stream"
    encoded = {}
    for coding, suffix in _ENCODINGS:
        beside = path.with_name(path.name + suffix)
        if beside.is_file():
            encoded[coding] = beside.read_bytes()
    etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
    return StaticFile(
        body, media_type, etag, path.relative_to(dist).as_posix().startswith("assets/"), encoded
    )


def spa_handler(files: dict[str, StaticFile]) -> HTTPRouteHandler:
    """The handler of every path that no API has."""

    @get(
        ["/", "/{path:path}"],
        include_in_schema=False,
        sync_to_thread=False,
    )
    def spa(request: AnyRequest, path: FromPath[PurePosixPath | None] = None) -> Response[bytes]:
        name = str(path or "").lstrip("/")
        found = files.get(name)
        if found is None or name == "index.html":
            if not _is_page(request, name):
                raise NotFound("There is nothing at this address.")
            return _page(request, files.get("index.html"))
        return _file(request, found)

    return spa


def _is_page(request: AnyRequest, name: str) -> bool:
    """Whether a person's browser asks for a page; a missing asset is a 404, not a page."""
    accept = request.headers.get("accept", "*/*")
    return not name.startswith("assets/") and ("text/html" in accept or not name)


def _page(request: AnyRequest, page: StaticFile | None) -> Response[bytes]:
    if page is None:
        return Response(_NOT_BUILT, media_type="text/html", status_code=503)
    response = _file(request, page)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    response.headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    return response


def _file(request: AnyRequest, file: StaticFile) -> Response[bytes]:
    headers = {
        "ETag": file.etag,
        "Cache-Control": IMMUTABLE if file.immutable else "no-cache",
        "Vary": "Accept-Encoding",
    }
    if request.headers.get("if-none-match") == file.etag:
        return Response(b"", status_code=304, headers=headers)
    body = file.body
    accepted = request.headers.get("accept-encoding", "")
    for coding, encoded in file.encoded.items():
        if coding in accepted:
            body, headers["Content-Encoding"] = encoded, coding
            break
    return Response(body, media_type=file.media_type, headers=headers)
