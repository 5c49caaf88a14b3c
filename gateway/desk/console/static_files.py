"""Static files: a fixed list, so that no path of a request ever reaches the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

from gateway.web import FOLDER

_OWN: Final = Path(__file__).parent / "static"
FILES: Final = {
    "qianfa.css": (FOLDER / "qianfa.css", "text/css"),
    "htmx.min.js": (FOLDER / "htmx.min.js", "text/javascript"),
    "desk.css": (_OWN / "desk.css", "text/css"),
    "desk.js": (_OWN / "desk.js", "text/javascript"),
    "editor.js": (_OWN / "editor.js", "text/javascript"),
    "seal.svg": (_OWN / "seal.svg", "image/svg+xml"),
}


async def static(request: web.Request) -> web.Response:
    """Return one of the known files."""
    known = FILES.get(request.match_info["name"])
    if known is None:
        raise web.HTTPNotFound
    path, kind = known
    return web.Response(body=path.read_bytes(), content_type=kind, charset="utf-8", headers={"Cache-Control": "max-age=300"})
