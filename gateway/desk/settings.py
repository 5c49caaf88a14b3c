"""What the desk must be told: a part of the deployment's settings, so that the desk's process never holds the enforcer's."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from gateway.config import Listen, Notices, Settings

COOKIE: Final = "qianfa-desk"
SIGN_IN_COOKIE: Final = "qianfa-sign-in"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskSettings:
    """See each field.

    Args:
        data: the desk's own folder (`desk.db`, `blobs/`).
        socket: the enforcer's command socket.
        desk_url: what people type for the desk, without a path; its host is the only one answered.
        counter_url: what people type for the counter.
        inside_url: where the counter's inside listener is reached.
        kind: `sandbox` or `live`; a sandbox is said on every page.
        listen: where the desk listens.
        notices: mail and group robot.
    """

    data: Path
    socket: Path
    desk_url: str
    counter_url: str
    kind: str
    inside_url: str = ""
    listen: Listen = field(default_factory=lambda: Listen(port=0))
    notices: Notices = field(default_factory=Notices)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the desk's part of a deployment's settings."""
        return cls(
            data=settings.desk_data, socket=settings.command_socket, desk_url=settings.desk_url.rstrip("/"),
            counter_url=settings.counter_url.rstrip("/"), inside_url=settings.inside_url.rstrip("/"), kind=settings.kind, listen=settings.desk, notices=settings.notices,
        )

    @property
    def host(self) -> str:
        """The host, with its port where it is not the scheme's own, that every request must name."""
        return urlsplit(self.desk_url).netloc.lower()

    @property
    def secure(self) -> bool:
        """Whether people reach the desk by https."""
        return urlsplit(self.desk_url).scheme == "https"

    @property
    def cookie(self) -> str:
        """The session cookie's name: `__Host-` where the browser allows the prefix (RFC 6265bis section 4.1.3.2)."""
        return f"__Host-{COOKIE}" if self.secure else COOKIE

    @property
    def sign_in_cookie(self) -> str:
        """The cookie that carries state and verifier from the sign-in page to the hand-over."""
        return f"__Host-{SIGN_IN_COOKIE}" if self.secure else SIGN_IN_COOKIE

    @property
    def database(self) -> Path:
        """The desk's database file."""
        return self.data / "desk.db"

    @property
    def blobs(self) -> Path:
        """The folder of draft pictures."""
        return self.data / "blobs"
