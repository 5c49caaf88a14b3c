"""Settings: one typed object, read from `qianfa.toml` in the data directory; a mistake in it stops the start.

`qianfa init` writes the file. What a deployment *is* (kind, id, hosts, keys) stands in the log; the file only says where things
are and which ports to open, and must agree with the log.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

LIVE_BASES = {"wechat": "https://api.weixin.qq.com", "weibo": "https://api.weibo.com"}
"""Platform hosts of a live deployment: constants, never settings."""

PROGRESS = "progress"
"""The file beside a process's `pid` in which a starting enforcer says to the launcher how many percent of its log are verified."""


class SettingsWrong(Exception):
    """The settings file is missing, unreadable or contradicts itself; the message says which line to mend."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Listen(_Part):
    """Where one face listens: host and port on this machine, and TLS files where it ends TLS itself."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    certificate: Path | None = None
    key: Path | None = None


class Notices(_Part):
    """How people are told. `smtp` is `smtp://user@host:port`; its password, if any, stands in `smtp_password_file`."""

    smtp: str = ""
    smtp_password_file: Path | None = None
    sender: str = ""
    robot: str = ""
    robot_kind: Literal["", "wecom", "dingtalk", "feishu", "json"] = ""
    robot_english: bool = False  # English below the Chinese in the group

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        smtp, robot = urlsplit(self.smtp), urlsplit(self.robot)
        if self.smtp and (smtp.scheme != "smtp" or not smtp.hostname):
            raise ValueError("notices.smtp must be smtp://host or smtp://user@host:port")
        if self.smtp and not self.sender:
            raise ValueError("notices.smtp needs notices.sender, the From address")
        if smtp.password is not None:
            raise ValueError("notices.smtp must hold no password: it stands in smtp_password_file")
        if self.robot and (robot.scheme not in {"http", "https"} or not robot.hostname or not self.robot_kind):
            raise ValueError("notices.robot must be an http or https address, with its robot_kind")
        return self


class Settings(_Part):
    """Everything both processes need to know; see each field."""

    deployment: str  # the id init made; must equal the log's
    kind: Literal["sandbox", "live"]
    log_key: str  # the first log key (vkey) whose fingerprint init printed
    desk_url: str  # https://…, what people type for the desk
    counter_url: str  # https://…, what people type for the counter; the passkeys' relying party for ever
    counter_inside_url: str = ""  # where the counter's inside listener is reached; empty: at counter_url as well
    data: Path  # the enforcer's and the desk's files
    run: Path  # sockets
    copies: Path  # the append-only checkpoint copy, outside the database; another disk is better
    backups: Path
    desk: Listen
    counter: Listen  # outside: /s only
    counter_inside: Listen  # inside: everything
    metrics: Listen | None = None
    key_file: Path | None = None  # opens the vault at start; a systemd credential is such a path
    enforcer_user: str = "qianfa-enforcer"
    desk_user: str = "qianfa-desk"
    trusted_proxies: tuple[str, ...] = ()
    bases: dict[str, str] = Field(default_factory=dict)  # sandbox only: where the sandbox platforms answer
    demo_cards: bool = False  # sandbox only: the page with one click a person
    notices: Notices = Notices()

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if _host(self.desk_url) == _host(self.counter_url):
            raise ValueError("desk_url and counter_url must have different host names: two ports of one host share cookies")
        if self.kind == "live" and (self.bases or self.demo_cards):
            raise ValueError("bases and demo_cards belong to sandbox deployments")
        if self.counter_inside_url and _host(self.counter_inside_url) != _host(self.counter_url):
            raise ValueError("counter_inside_url must have the counter's host name: passkeys are bound to it")
        for url in (self.desk_url, self.counter_url, self.counter_inside_url or self.counter_url):
            local = _host(url).endswith(".localhost")
            if urlsplit(url).scheme != "https" and not local:
                raise ValueError(f"{url} must be https, or a name under localhost")
        return self

    @property
    def platform_bases(self) -> dict[str, str]:
        """Where each platform answers."""
        return dict(LIVE_BASES) if self.kind == "live" else dict(self.bases)

    @property
    def inside_url(self) -> str:
        """Where people reach what only the inside listener serves: intake, changes, devices, enrolment."""
        return self.counter_inside_url or self.counter_url

    @property
    def key_from_systemd(self) -> bool:
        """Whether the key file is a credential that systemd keeps for this unit (LoadCredential=, systemd.exec(5))."""
        folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
        return bool(folder) and self.key_file is not None and self.key_file.parent == Path(folder)

    @property
    def enforcer_data(self) -> Path:
        """The enforcer's own folder."""
        return self.data / "enforcer"

    @property
    def desk_data(self) -> Path:
        """The desk's own folder."""
        return self.data / "desk"

    @property
    def command_socket(self) -> Path:
        """The socket the desk talks to."""
        return self.run / "command" / "command.sock"

    @property
    def admin_socket(self) -> Path:
        """The socket `qianfa vault` and `qianfa backup` talk to; the enforcer's user only."""
        return self.run / "admin" / "admin.sock"


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()


def load(path: Path) -> Settings:
    """Return the settings in the file at `path`.

    Raises:
        SettingsWrong: it cannot be read or does not hold together.
    """
    try:
        with path.open("rb") as file:
            return Settings.model_validate(tomllib.load(file))
    except FileNotFoundError as error:
        raise SettingsWrong(
            f"没有设置：{path}。用 --data 指明数据目录，或用 --config 指明文件；还没有建立时先运行 qianfa init / there are no settings at {path}: name the data folder "
            "with --data or the file with --config, or make some with `qianfa init`") from error
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SettingsWrong(f"{path}: {error}") from error
    except ValidationError as error:
        raise SettingsWrong(f"{path}: " + "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())) from error


def dump(settings: Settings) -> str:
    """Return `settings` as TOML text that `load` reads back."""
    value = settings.model_dump(mode="json", exclude_none=True)
    tables = {name: part for name, part in value.items() if isinstance(part, dict)}
    lines = [f"{name} = {_toml(part)}" for name, part in value.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_toml(part)}" for key, part in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
