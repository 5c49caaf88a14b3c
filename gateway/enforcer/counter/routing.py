"""Every route of the counter: method, path, which listener offers it, what it needs. A route that is not here does not exist.

`OUTSIDE` routes answer on both listeners, `INSIDE` ones only on the inside. `grade` is what the command behind a POST takes: 0 none, 2 a
counter session, 3 a proof; the machine asks again.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Need(StrEnum):
    """What a route needs before its handler runs."""

    NOTHING = "nothing"
    SESSION = "session"


class Face(StrEnum):
    """Which listener offers a route."""

    OUTSIDE = "outside"
    INSIDE = "inside"


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table."""

    method: str
    path: str
    face: Face
    need: Need
    grade: int


def _rows(face: Face, need: Need, grade: int, *lines: str) -> tuple[Route, ...]:
    return tuple(Route(method, path, face, need, grade) for method, path in (line.split() for line in lines))


ROUTES: Final = (
    *_rows(Face.OUTSIDE, Need.NOTHING, 0,
           "GET /s/signin", "POST /s/signin", "POST /s/signin/options", "POST /s/signin/passkey", "POST /s/lang", "GET /s/static/{name}",
           "GET /s/desk-signin", "GET /s/demo", "POST /s/demo"),
    *_rows(Face.OUTSIDE, Need.SESSION, 0,
           "GET /s/", "GET /s/item/{submission}", "GET /s/marked/{submission}", "GET /s/template/{digest}", "GET /s/media/{digest}", "GET /s/list",
           "GET /s/done/{signing}", "GET /s/receipts", "GET /s/stops", "POST /s/seen", "POST /s/tick", "POST /s/list/add", "POST /s/list/remove", "POST /s/signout",
           "POST /s/desk-signin", "POST /s/sheet", "POST /s/emergency"),
    *_rows(Face.OUTSIDE, Need.SESSION, 2,
           "POST /s/return", "POST /s/handover", "POST /s/takeback", "POST /s/stop", "POST /s/freeze"),
    *_rows(Face.OUTSIDE, Need.SESSION, 3, "POST /s/prove"),
    *_rows(Face.INSIDE, Need.NOTHING, 0, "GET /s/enrol", "POST /s/enrol", "GET /s/recover", "POST /s/recover"),
    *_rows(Face.INSIDE, Need.SESSION, 0,
           "GET /s/devices", "POST /s/devices/forget", "POST /s/devices/end", "POST /s/pair", "POST /s/phrase", "GET /i/changes",
           "POST /i/changes/propose", "POST /i/changes/confirm", "GET /i/credentials/{channel}"),
    *_rows(Face.INSIDE, Need.SESSION, 2,
           "POST /s/factor/totp", "POST /s/factor/totp/confirm", "POST /s/factor/passkey/options", "POST /s/factor/passkey",
           "POST /s/factor/recovery", "POST /s/factor/revoke", "POST /i/changes/decline", "POST /i/credentials/{channel}"),
)

NEEDS: Final = {(route.method, route.path): route.need for route in ROUTES}
