"""The web page at `/`: translations as they are typed, their alternatives and their attention."""

import json
import os
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from serving.embedded import rest
from serving.embedded.catalog import Catalog
from serving.embedded.status import StatusError
from serving.embedded.versions import Model
from serving.exports.export_folder import EXPORT_FILE

_FOLDER = Path(__file__).with_name("page")
_INDEX = "page.html"
_PREFIX = "/page/"
# What the page loads, by path; they tell nothing of the models, and can be had without a key.
_FILES = {"/": _INDEX} | {_PREFIX + path.name: path.name for path in _FOLDER.iterdir() if path.name != _INDEX}
PATHS = frozenset(_FILES)
_POLICY = (
    "default-src 'none'",
    "connect-src 'self'",
    "img-src 'self'",
    "script-src 'self'",
    "style-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    # Text becomes an element in no way but as text.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
)
_HEADERS = {
    "Content-Security-Policy": "; ".join(_POLICY),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Kept, but asked for again: a server of another version has another page.
    "Cache-Control": "no-cache",
}


def page_routes(catalog: Catalog) -> list[Route]:
    """The routes of the page, of the files it loads, and of the list of models it lets choose from.

    Args:
        catalog: The models.

    Returns:
        Routes for GET and HEAD: those of `PATHS`, and `/page/models`, which answers a JSON list of objects with `name`,
        the newest `version` that is available, its `signatures` and its `languages`: tags of `source` and `target`,
        as far as they are known.
    """

    async def list_models(request: Request) -> Response:
        return JSONResponse([_describe(model) for model in catalog.models()], headers={"Cache-Control": "no-store"})

    files = _Files(directory=_FOLDER)
    return [
        *(Route(path, files.answer) for path in _FILES),
        Route(f"{_PREFIX}models", list_models),
    ]


def _describe(model: Model) -> dict[str, object]:
    try:
        with model.use(rest.Route("metadata", model.name)) as version:
            return {
                "name": model.name,
                "version": version.number,
                "signatures": sorted(version.servable.signatures),
                "languages": _languages(version.folder),
            }
    except StatusError:
        return {"name": model.name, "version": None, "signatures": [], "languages": {}}


def _languages(version: Path) -> dict[str, str | None]:
    try:
        return json.loads((version / EXPORT_FILE).read_text("utf-8")).get("languages", {})
    except (OSError, ValueError):
        # A SavedModel that is none of ours.
        return {}


class _Files(StaticFiles):
    async def answer(self, request: Request) -> Response:
        return await self.get_response(_FILES[request.scope["path"]], request.scope)

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(_HEADERS)
        return response
