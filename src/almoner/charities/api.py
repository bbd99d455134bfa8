"""HTTP of charities."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, PathParameter, QueryParameter

from almoner.charities.answers import Answer, CatalogueReader
from almoner.charities.categories import CATEGORIES
from almoner.charities.errors import NoSuchCharity
from almoner.charities.pictures import Pictures
from almoner.charities.schemas import (
    LANGUAGES,
    QUERY_LENGTH_MAX,
    CharityItem,
    CharityPage,
    language,
)
from almoner.platform.errors import FieldError, Invalid
from almoner.platform.http import PROBLEM_MEDIA_TYPE
from almoner.platform.openapi import Described

Text = str | None
AnyRequest = Request[Any, Any, Any]


def _told(description: str, media_type: str = PROBLEM_MEDIA_TYPE) -> ResponseSpec:
    return ResponseSpec(
        None, description=description, media_type=media_type, generate_examples=False
    )


_UNCHANGED = {304: _told("The client has this very answer.", "application/json")}
_REFUSED = {
    422: _told("A parameter cannot be used; `errors` names each."),
    503: _told("Neither the database nor any copy can be had."),
}
_MISSING = {404: _told("There is no such charity.")}

DESCRIBED: Final = Described(
    parameters={
        ("/charities", "get", "q"): {"maxLength": QUERY_LENGTH_MAX},
        ("/charities", "get", "category"): {"enum": ["", *CATEGORIES]},
        ("/charities", "get", "country"): {"pattern": "^([A-Za-z]{2})?$"},
        ("/charities", "get", "limit"): {"type": "integer", "minimum": 1, "maximum": 100},
        ("/charities", "get", "lang"): {"enum": ["", *LANGUAGES]},
        ("/charities/{reference}", "get", "lang"): {"enum": ["", *LANGUAGES]},
    }
)
"""What the framework cannot see. An empty parameter counts as left out."""


def routes(reader: CatalogueReader, pictures: Pictures) -> list[HTTPRouteHandler]:
    """The handlers of this feature."""

    @get(
        "/charities",
        operation_id="listCharities",
        summary="List or search charities",
        tags=["charities"],
        responses=_UNCHANGED | _REFUSED,
    )
    async def list_page(
        request: AnyRequest,
        q: Annotated[
            Text,
            QueryParameter(description="Words of name or description; typing errors are forgiven."),
        ] = None,
        category: Annotated[
            Text, QueryParameter(description="A category of `GET /config`.")
        ] = None,
        country: Annotated[Text, QueryParameter(description="ISO 3166, two letters.")] = None,
        cursor: Annotated[Text, QueryParameter(description="`next` of the page before.")] = None,
        limit: Annotated[Text, QueryParameter(description="1 to 100, 24 if left out.")] = None,
        lang: Annotated[Text, QueryParameter(description="`en` or `zh-CN`.")] = None,
    ) -> Response[CharityPage]:
        """A page of charities one can give to."""
        # Named for the OpenAPI; read together from the query string, which is the cache key.
        del q, category, country, cursor, limit, lang
        answer = await reader.page(request.scope["query_string"])
        return _response(answer, request)

    @get(
        "/charities/{reference:str}",
        operation_id="getCharity",
        summary="Show a charity",
        tags=["charities"],
        responses=_UNCHANGED | _REFUSED | _MISSING,
    )
    async def one(
        request: AnyRequest,
        reference: Annotated[str, PathParameter(description="`charity_id` or `slug`.")],
        lang: Annotated[Text, QueryParameter(description="`en` or `zh-CN`.")] = None,
    ) -> Response[CharityItem]:
        """One charity, with its whole description."""
        errors: list[FieldError] = []
        chosen = language({"lang": lang or ""}, errors)
        if errors:
            raise Invalid(errors)
        return _response(await reader.item(reference, chosen), request)

    @get(
        "/pictures/{file:str}",
        operation_id="getPicture",
        summary="Draw a charity's picture",
        tags=["charities"],
        responses=_UNCHANGED | _MISSING,
        media_type="image/svg+xml",
    )
    async def picture(request: AnyRequest, file: FromPath[str]) -> Response[bytes]:
        """The picture of a charity, `{slug}.svg`, drawn from its name and category."""
        slug, dot, kind = file.rpartition(".")
        drawn = await pictures.of(slug) if dot and kind == "svg" else None
        if drawn is None:
            raise NoSuchCharity
        if drawn.matches(request.headers.get("if-none-match", "").encode("latin-1")):
            return Response(b"", status_code=304, headers=drawn.headers)
        return Response(drawn.body, media_type="image/svg+xml", headers=drawn.headers)

    return [list_page, one, picture]


def _response(answer: Answer, request: AnyRequest) -> Response[Any]:
    headers = {name.decode(): value.decode() for name, value in answer.not_modified_headers}
    if answer.matches(request.headers.get("if-none-match", "").encode("latin-1")):
        return Response(b"", status_code=304, headers=headers)
    return Response(answer.body, media_type=MediaType.JSON, headers=headers)
