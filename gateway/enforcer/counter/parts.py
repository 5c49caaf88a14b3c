"""What every page of the counter is given, and what it makes of a request: language, session, words, pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import jinja2
from aiohttp import web

from gateway.enforcer.counter import shown
from gateway.enforcer.counter.history import History
from gateway.enforcer.parts import Parts
from gateway.enforcer.proofs import Proofs
from gateway.enforcer.sessions import Session, Sessions, form_token
from gateway.protocol.denials import Denied
from gateway.web.i18n import Catalogue, preferred
from vault.passkeys import RelyingParty
from vault.passwords import Passwords
from vault.slots import Argon2Cost

FOLDER: Final = Path(__file__).parent
WORDS: Final = Catalogue.load(FOLDER / "words")
SESSION: Final = web.RequestKey("session", Session)
TOKEN: Final = web.RequestKey("token", str)
LANGUAGE_COOKIE: Final = "qf_lang"


class Pepper(Protocol):
    """A keyed hash of the vault."""

    def __call__(self, message: bytes, /) -> bytes:
        """Return the keyed hash of `message`."""


@dataclass(slots=True, kw_only=True)
class Counter:
    """The counter's parts: the enforcer's, sessions, proofs, passwords, and the log as the pages read it."""

    parts: Parts
    sessions: Sessions
    proofs: Proofs
    passwords: Passwords
    history: History
    pages: jinja2.Environment

    @property
    def https(self) -> bool:
        """Whether people reach the counter by https; else it is a name under localhost."""
        return self.parts.settings.counter_url.startswith("https:")

    @property
    def session_cookie(self) -> str:
        """The session cookie's name; `__Host-` binds it to this very host (RFC 6265bis 4.1.3.2)."""
        return "__Host-qf" if self.https else "qf_counter"

    @property
    def device_cookie(self) -> str:
        """The device cookie's name."""
        return "__Host-qf-device" if self.https else "qf_device"

    def rp(self, request: web.Request) -> RelyingParty:
        """Return the passkeys' relying party: the counter's full host, at the origin this listener answers for."""
        return RelyingParty(rp_id=host_name(self.parts.settings.counter_url), name="签发台", origin=origin_of(request, self))

    def origins(self, port: int) -> frozenset[str]:
        """Return the origins people may come from: the configured one, and the same host at the listener's own port."""
        url = urlsplit(self.parts.settings.counter_url)
        return frozenset({f"{url.scheme}://{url.netloc}", f"{url.scheme}://{url.hostname}:{port}"})


COUNTER: Final = web.AppKey("counter", Counter)


def make(parts: Parts, sessions: Sessions, *, cost: Argon2Cost | None = None) -> Counter:
    """Put the counter's parts together; `cost` is for tests."""
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(when=shown.when, fingerprint=shown.fingerprint, print8=shown.print8, day=shown.day)
    return Counter(
        parts=parts, sessions=sessions, proofs=Proofs(parts, sessions.db), passwords=Passwords(cost=cost, pepper=parts.vault.mac),
        history=History(parts), pages=pages,
    )


def host_name(url: str) -> str:
    """Return the host name of an address."""
    return (urlsplit(url).hostname or "").lower()


def own_port(request: web.Request) -> int:
    """Return the port this listener answers on."""
    transport = request.transport
    name = transport.get_extra_info("sockname") if transport is not None else None
    return int(name[1]) if name else 0


def origin_of(request: web.Request, counter: Counter) -> str:
    """Return the origin the request was sent to; its host was checked before."""
    return f"{urlsplit(counter.parts.settings.counter_url).scheme}://{request.host.lower()}"


def language(request: web.Request) -> str:
    """Return the language a person chose on a page, else the one their browser asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in {"zh", "en"} else preferred(request.headers.get("Accept-Language", ""))


def session_of(request: web.Request) -> Session:
    """Return the request's session; routes that need one are not reached without."""
    return request[SESSION]


def address_of(request: web.Request) -> str:
    """Return the person's address: the peer's, or what a trusted proxy says of it (the last hop it added)."""
    peer = request.remote or ""
    if peer in request.app[COUNTER].parts.settings.trusted_proxies:
        return request.headers.get("X-Forwarded-For", "").split(",")[-1].strip() or peer
    return peer


def fragment(request: web.Request) -> bool:
    """Return whether a script asks for the sheet alone."""
    return request.headers.get("X-Qianfa-Fragment") == "1"


def page(request: web.Request, name: str, *, status: int = 200, **values: Any) -> web.Response:
    """Render the page `name` in the person's language."""
    counter, lang = request.app[COUNTER], language(request)
    session = request.get(SESSION)

    def t(key: str, **params: object) -> str:
        return WORDS.t(lang, key, **params)

    text = counter.pages.get_template(name).render(
        t=t, lang=lang, session=session, form=form_token(request[TOKEN]) if session else "", views=counter.parts.views,
        me=session.person if session else "", my_name=counter.parts.views.name(session.person) if session else "",
        phrase=phrase(counter, session.person) if session else "", demo=demo_on(counter), sandbox=counter.parts.runner.state.kind == "sandbox",
        sealed=counter.parts.runner.sealed, keepers=_keepers(counter, lang) if counter.parts.runner.sealed else (), fragment=fragment(request), now=counter.parts.runner.now(), path=request.path,
        inside=request.app[INSIDE], desk_url=counter.parts.settings.desk_url, **values,
    )
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")


INSIDE: Final = web.AppKey("inside", bool)


def _keepers(counter: Counter, lang: str) -> list[dict[str, str]]:
    """Return whom to ask to open the vault: the system administrators, else the founders."""
    state, views = counter.parts.runner.state, counter.parts.views
    now = counter.parts.runner.now()
    people = state.holders("sysadmin", state.group, now) or state.holders("founder", state.group, now)
    return [views.contact(person, lang) for person in people]


def phrase(counter: Counter, person: str) -> str:
    """Return the person's 暗记, which only the true counter can show."""
    row = counter.sessions.db.one("SELECT text FROM phrases WHERE person = ?", (person,))
    return row["text"] if row else ""


def demo_on(counter: Counter) -> bool:
    """Return whether identity cards are offered: a sandbox deployment, by its log and by its settings, that asks for them."""
    settings = counter.parts.settings
    return counter.parts.runner.state.kind == "sandbox" and settings.kind == "sandbox" and settings.demo_cards


async def form_of(request: web.Request) -> Mapping[str, str]:
    """Return the posted form, one text a field.

    Raises:
        Denied: `invalid` for a file or a body that is no form.
    """
    data = await request.post()
    if any(not isinstance(value, str) for value in data.values()):
        raise Denied("invalid", detail="form")
    return {name: str(value) for name, value in data.items()}


def see(path: str) -> web.HTTPSeeOther:
    """Return a redirect to a page of ours after a POST."""
    return web.HTTPSeeOther(location=path)


def local_path(path: str) -> str:
    """Return `path` when it is a plain path of the counter's own pages, else the queue: never another host (CWE-601)."""
    plain = path.startswith(("/s/", "/i/")) and not set(path) & set("\\\r\n") and "//" not in path and path.isascii() and path.isprintable()
    return path if plain and len(path) < 800 else "/s/"
