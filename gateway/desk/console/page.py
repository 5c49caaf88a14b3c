"""Drawing a page: the directory, words in the reader's language, the status strip, and small helpers every template uses."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import aiohttp_jinja2
import jinja2
from aiohttp import web
from sqlalchemy import select

from gateway.desk.parts import LANG, PARTS, WHO, Parts, Who
from gateway.desk.readmodel.directory import Directory, load
from gateway.desk.readmodel.projection import CounterRow
from gateway.desk.security import FORM_FIELD
from gateway.desk.session import form_token, safe_next
from gateway.protocol import denials, instants
from gateway.protocol.instants import NEVER, OFFICE_ZONE, Instant

TEMPLATES: Final = Path(__file__).parent / "templates"

CHIPS: Final = {
    "draft": ("draft", "○"), "in_review": ("wait", "◔"), "returned": ("back", "↩"), "recalled": ("draft", "↩"), "cancelled": ("draft", "×"),
    "expired": ("draft", "⌛"), "released": ("pass", "✓"), "to_release": ("wait", "◔"), "done": ("live", "●"), "held": ("pass", "✓"), "intended": ("wait", "◔"),
    "prepared": ("wait", "◔"), "dispatched": ("wait", "➤"), "pending": ("wait", "◔"), "unknown": ("unk", "?"), "live": ("live", "●"),
    "gone": ("draft", "○"), "rejected": ("stop", "⊘"), "absent": ("stop", "⊘"), "abandoned": ("stop", "⊘"), "stopped": ("stop", "■"),
    "missed": ("wait", "⌛"), "withdrawn": ("draft", "○"), "replaced": ("draft", "○"), "drifted": ("stop", "≠"), "frozen": ("ice", "❄"),
    "refused": ("stop", "⊘"),
}
NAV: Final = (
    ("/", "nav.todo"), ("/drafts", "nav.drafts"), ("/publications", "nav.publications"), ("/channels", "nav.channels"),
    ("/refusals", "nav.refusals"), ("/log", "nav.log"), ("/people", "nav.people"), ("/status", "nav.status"),
)


def setup(app: web.Application) -> None:
    """Prepare the templates: autoescape everywhere, undefined names are faults."""
    aiohttp_jinja2.setup(
        app, loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        auto_reload=False,
    )


def local(instant: str, form: str = "%m-%d %H:%M") -> str:
    """Return an instant in the company's zone; empty for none, 长期 for never."""
    if not instant:
        return ""
    if instant >= NEVER:
        return "—"
    return instants.to_datetime(Instant(instant)).astimezone(OFFICE_ZONE).strftime(form)


def fingerprint(digest: str | None, groups: int = 8) -> str:
    """Return a digest as groups of four hex digits."""
    text = (digest or "").removeprefix("sha256:").upper()[: groups * 4]
    return " ".join(text[i : i + 4] for i in range(0, len(text), 4))


def lasted(t: Callable[..., str], earlier: str, now: str) -> str:
    """Return how long ago `earlier` was, in words."""
    seconds = max(0, instants.seconds_between(Instant(earlier), Instant(now)))
    if seconds < 60:
        return t("ago.now")
    if seconds < 3600:
        return t("ago.minutes", n=int(seconds // 60))
    if seconds < 48 * 3600:
        return t("ago.hours", n=int(seconds // 3600))
    return t("ago.days", n=int(seconds // 86_400))


async def directory(request: web.Request) -> Directory:
    """Return the directory in the request's language; read anew only after the read model has changed."""
    return replace(await _directory(request.app[PARTS]), lang=request[LANG])


async def _directory(parts: Parts) -> Directory:
    changes = parts.follower.changes
    if parts.directory is not None and parts.directory[0] == changes:
        return parts.directory[1]
    async with parts.sessions() as session:
        found = await load(session)
    parts.directory = (changes, found)  # counted before it was read: what changed meanwhile is read again
    return found


async def counters(parts: Parts, *names: str) -> dict[str, int]:
    """Return counters by name, 0 for one that was never counted."""
    async with parts.sessions() as session:
        rows = await session.scalars(select(CounterRow).where(CounterRow.name.in_(names)))
        found = {row.name: row.n for row in rows}
    return {name: found.get(name, 0) for name in names}


def words(request: web.Request) -> Callable[..., str]:
    """Return `t(key, **params)` in the request's language."""
    catalogue, lang = request.app[PARTS].words, request[LANG]

    def t(key: str, **params: object) -> str:
        return catalogue.t(lang, key, **params)

    return t


def strip(request: web.Request) -> dict[str, str] | None:
    """Return the status strip where something is not ok: unreachable, sealed, or the read model behind."""
    follower = request.app[PARTS].follower
    t = words(request)
    if not follower.reachable:
        return {"tone": "stop", "text": t("strip.unreachable")}
    if follower.sealed:
        return {"tone": "wait", "text": t("strip.sealed")}
    if follower.size > follower.next:
        return {"tone": "pass", "text": t("strip.behind", n=follower.size - follower.next)}
    return None


def base(request: web.Request, names: Directory) -> dict[str, Any]:
    """Return what every template is given."""
    parts, t, lang = request.app[PARTS], words(request), request[LANG]
    who: Who | None = request.get(WHO)
    now = parts.now()
    return {
        "t": t, "lang": lang, "who": who, "names": names, "now": now, "local": local, "fingerprint": fingerprint, "chips": CHIPS,
        "ago": lambda at: lasted(t, at, now), "nav": NAV, "path": request.path, "strip": strip(request), "kind": parts.settings.kind,
        "counter_url": parts.settings.counter_url, "inside_url": parts.settings.inside_url or parts.settings.counter_url, "form_token": form_token(who.token) if who is not None else "", "form_field": FORM_FIELD,
        "here": safe_next(request.path_qs), "article": lambda rule: denials.article(rule, lang), "search": request.query.get("q", "")[:200],
        "tail": request.query.get("notice", ""), "fresh": lambda: secrets.token_hex(16),
    }


async def draw(request: web.Request, template: str, *, status: int = 200, names: Directory | None = None, **context: Any) -> web.Response:
    """Return a page (or a fragment of one)."""
    known = names if names is not None else await directory(request)
    return aiohttp_jinja2.render_template(template, request, {**base(request, known), **context}, status=status)


def keyset(request: web.Request) -> str | None:
    """Return the key after which a list goes on, from `before` in the address; None at its beginning."""
    text = request.query.get("before", "")
    return text if text and len(text) <= 120 and text.isascii() and text.isprintable() else None


async def caught_up(request: web.Request) -> bool:
    """Wait up to two seconds for the entry that the address names; return whether the read model has it."""
    text = request.query.get("after", "")
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        return True
    return await request.app[PARTS].follower.reached(int(text), 2.0)
