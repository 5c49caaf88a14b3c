"""The desk's composition: settings in, one web application out, its followers and senders running with it.

`init_app(settings)` builds it; `run(settings)` serves it until SIGTERM. The desk holds no key and talks to nobody but the enforcer's
socket, the mail server and the group robot.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from sqlalchemy.exc import SQLAlchemyError

from gateway import clock
from gateway.config import Settings
from gateway.desk.api.problems import api_problem
from gateway.desk.console.page import draw, setup, words
from gateway.desk.database import migrate, open_engine, sessions
from gateway.desk.drafts.blobs import DeskBlobs
from gateway.desk.drafts.handing_in import HandingIn
from gateway.desk.drafts.store import Drafts, NoSuchDraft
from gateway.desk.notify.nudges import Nudges
from gateway.desk.notify.outbox import Outbox
from gateway.desk.notify.senders import Senders
from gateway.desk.parts import LANG, PARTS, Parts
from gateway.desk.readmodel.follower import Follower
from gateway.desk.routes import ROUTES
from gateway.desk.security import ACCESS, UPLOAD_LIMIT, guard, headers, one_host
from gateway.desk.session import RECENT, Recent
from gateway.desk.settings import DeskSettings
from gateway.desk.socket_client import CommandSocket
from gateway.listening import EXIT_CONFIG, ListenRefused, serve_tcp
from gateway.protocol.instants import Instant
from gateway.web.i18n import Catalogue

log = structlog.get_logger("desk")

WORDS: Final = Path(__file__).parent / "words"


def init_app(settings: DeskSettings, *, now: Callable[[], Instant] | None = None) -> web.Application:
    """Return the desk's application; its database is migrated when it starts."""
    app = web.Application(middlewares=[headers, faults, one_host, guard], client_max_size=UPLOAD_LIMIT)
    app[ACCESS] = {}
    app[RECENT] = Recent()
    for route in ROUTES:
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            resource = app.router.add_route(method, route.path, route.handler).resource
            assert resource is not None
            app[ACCESS][method, resource.canonical] = route.access
    setup(app)
    tell = now or clock.Clock().now

    async def parts(app: web.Application) -> AsyncIterator[None]:
        await asyncio.to_thread(migrate, settings.database)
        engine = open_engine(settings.database)
        socket = CommandSocket(settings.socket)
        opened = sessions(engine)
        catalogue = Catalogue.load(WORDS)
        outbox = Outbox(settings, opened, Senders(settings.notices), catalogue, tell)
        drafts = Drafts(opened, DeskBlobs(settings.blobs))
        app[PARTS] = Parts(
            settings=settings, engine=engine, sessions=opened, socket=socket, follower=Follower(socket, opened, outbox.told, outbox.wake), drafts=drafts,
            handing_in=HandingIn(socket, drafts), outbox=outbox, nudges=Nudges(opened, outbox, tell), words=catalogue, now=tell,
        )
        yield
        await socket.close()
        await engine.dispose()

    async def tasks(app: web.Application) -> AsyncIterator[None]:
        made = [asyncio.create_task(app[PARTS].follower.run()), asyncio.create_task(app[PARTS].outbox.run())]
        for task in made:
            task.add_done_callback(_ended)
        yield
        for task in made:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    app.cleanup_ctx.append(parts)
    app.cleanup_ctx.append(tasks)
    return app


def _ended(task: asyncio.Task[None]) -> None:
    """A background task never ends by itself; where it does, that is said, and the strip shows that the desk no longer follows."""
    if not task.cancelled() and task.exception() is not None:
        log.error("a background task ended", action="task_ended", error=repr(task.exception()))


@web.middleware
async def faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into a page (or a problem for the API) without a word of its inside."""
    request.setdefault(LANG, "zh")
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400 or error.content_type == "application/problem+json":
            raise
        return await _fault(request, error.status)
    except NoSuchDraft:
        return await _fault(request, 404)
    except asyncio.CancelledError:
        raise
    except Exception:
        log.exception("a request failed", action="request_failed", method=request.method, route=str(request.match_info.route.resource))
        return await _fault(request, 500)


async def _fault(request: web.Request, status: int) -> web.Response:
    if request.path.startswith("/api/"):
        return api_problem(request, status)
    if status == 421:
        return web.Response(status=421, text="wrong host\n")
    t = words(request)
    key = {404: "not_found", 405: "not_found", 403: "forbidden", 413: "too_large"}.get(status, "other")
    if request.headers.get("Accept") == "application/json":  # the editor's script, which shows the title where the person writes
        return web.json_response({"code": key, "title": f"{t(f'fault.{key}')} · {t(f'fault.{key}.text')}"}, status=status)
    try:
        return await draw(request, "fault.html", status=status, title=t(f"fault.{key}"), text=t(f"fault.{key}.text"))
    except SQLAlchemyError:
        return web.Response(status=503, text=t("fault.other") + "\n" + t("fault.other.text") + "\n")


async def serve(stack: AsyncExitStack, settings: DeskSettings, *, now: Callable[[], Instant] | None = None) -> tuple[web.Application, int]:
    """Serve the desk on its listener and return the application and the port."""
    app = init_app(settings, now=now)
    port = await serve_tcp(stack, app, settings.listen)
    return app, port


async def run(settings: Settings, *, ready: Path | None = None) -> int:
    """Run the desk of a deployment until SIGTERM or SIGINT; `ready` is touched once it listens."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    async with AsyncExitStack() as stack:
        try:
            _, port = await serve(stack, DeskSettings.of(settings))
        except ListenRefused as refused:
            log.error(refused.en, action="listen_refused", zh=refused.zh)
            return EXIT_CONFIG
        if ready is not None:
            ready.write_text(str(port), encoding="utf-8")
        log.info("ready", action="ready", port=port)
        await stopped.wait()
    return 0
