"""The public pages' common ground: templates, headers that forbid scripts, pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src *; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def html_page(template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Render a template as a public page without scripts."""
    text = _TEMPLATES.get_template(template).render(**values)
    return web.Response(status=status, text=text, content_type="text/html", charset="utf-8", headers=_HEADERS)


def not_found(words: str) -> web.Response:
    """Answer 404 with a sentence."""
    return html_page("not_found.html", status=404, words=words)


def picture(data: bytes, content_type: str) -> web.Response:
    """Answer a stored file."""
    return web.Response(body=data, content_type=content_type, headers={"X-Content-Type-Options": "nosniff"})
