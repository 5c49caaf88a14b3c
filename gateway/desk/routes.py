"""The route table of the desk: every method and path with its access. A route that is not here is not served."""

from __future__ import annotations

from typing import Final

from gateway.desk import session
from gateway.desk.api.operations import OPERATIONS, preflight_cors, routes_of
from gateway.desk.console import (
    channels,
    drafts,
    editor,
    log,
    nudging,
    people,
    publications,
    refusals,
    schedule,
    static_files,
    status,
    submissions,
    todo,
)
from gateway.desk.security import Access, Route


def _page(path: str, handler: object, access: Access = "page") -> Route:
    return Route(method="GET", path=path, handler=handler, access=access)  # type: ignore[arg-type] # handlers differ in their response type


def _act(path: str, handler: object, access: Access = "act") -> Route:
    return Route(method="POST", path=path, handler=handler, access=access)  # type: ignore[arg-type] # see _page


CONSOLE: Final = (
    _page("/", todo.todo),
    _page("/welcome", status.welcome, "open"),
    _page("/healthz", status.health, "open"),
    _page("/static/{name}", static_files.static, "open"),
    _page("/sign-in", session.sign_in, "open"),
    _page("/signed-in", session.signed_in, "open"),
    _act("/sign-out", session.sign_out),
    _act("/language", session.choose_language, "open"),
    _page("/drafts", drafts.draft_list),
    _act("/drafts", drafts.make_draft),
    _page("/drafts/{draft}", editor.editor),
    _page("/drafts/{draft}/frame", editor.frame),
    _page("/drafts/{draft}/preview", editor.preview),
    _act("/drafts/{draft}/save", editor.save),
    _act("/drafts/{draft}/paste", editor.paste),
    _act("/drafts/{draft}/pictures", editor.add_picture),
    _act("/drafts/{draft}/check", editor.check),
    _act("/drafts/{draft}/submit", editor.submit),
    _act("/drafts/{draft}/suggestions", editor.take),
    _act("/drafts/{draft}/discard", editor.discard),
    _page("/drafts/{draft}/revisions", editor.revisions),
    _act("/drafts/{draft}/revisions/{version}", editor.restore),
    _page("/pictures/{digest}", editor.picture),
    _page("/submissions/{submission}", submissions.submission),
    _act("/submissions/{submission}/nudge", nudging.act),
    _act("/submissions/{submission}/{act}", submissions.act),
    _page("/publications", publications.publications),
    _page("/publications/schedule", schedule.schedule),
    _page("/publications/{publication}", publications.publication),
    _act("/publications/{publication}/{act}", publications.revise),
    _page("/contents/{digest}", publications.content_preview),
    _page("/contents/{digest}/{picture}", publications.content_picture),
    _page("/log", log.log_page),
    _act("/log/verify", log.verify),
    _page("/log/verify/{job}", log.verify_progress),
    _act("/export", log.export),
    _page("/refusals", refusals.refusals),
    _act("/refusals/{refusal}/submit", refusals.into_submission),
    _page("/channels", channels.channels),
    _page("/channels/{channel}", channels.channel),
    _page("/people", people.people),
    _page("/status", status.status),
)
ROUTES: Final = (*CONSOLE, *routes_of(OPERATIONS), Route(method="OPTIONS", path="/api/v1/{path:.*}", handler=preflight_cors, access="open"))
