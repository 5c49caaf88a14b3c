"""Settings: what is written is read back, and a mistake is said with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.config import LIVE_BASES, Listen, Notices, Settings, SettingsWrong, dump, load


def settings(**over: Any) -> Settings:
    """Return settings of a sandbox, changed by `over`."""
    return Settings.model_validate({
        "deployment": "dep-1", "kind": "sandbox", "log_key": "k", "desk_url": "https://desk.example.com", "counter_url": "https://sign.example.com",
        "data": "/srv/q/data", "run": "/srv/q/run", "copies": "/srv/q/copy", "backups": "/srv/q/backups", "desk": {"port": 1}, "counter": {"port": 2},
        "counter_inside": {"port": 3}, **over})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Every kind of value survives, quotes and backslashes too."""
    made = settings(
        bases={"wechat": 'http://127.0.0.1:1/"a\\b"'}, trusted_proxies=("10.0.0.1",), demo_cards=True, metrics=Listen(port=9),
        key_file="/k", notices=Notices(sender="签发 <a@b.example>"))
    path = tmp_path / "qianfa.toml"
    path.write_text(dump(made), encoding="utf-8")
    assert load(path) == made


@pytest.mark.parametrize(("over", "words"), [
    ({"desk_url": "https://one.example:1", "counter_url": "https://ONE.example:2"}, "different host names"),
    ({"kind": "live", "bases": {"wechat": "http://127.0.0.1"}}, "sandbox deployments"),
    ({"kind": "live", "demo_cards": True}, "sandbox deployments"),
    ({"desk_url": "http://desk.example.com"}, "must be https"),
    ({"extra": 1}, "Extra inputs"),
    ({"desk": {"port": 70_000}}, "less than or equal"),
])
def test_contradictions_are_refused(over: dict[str, Any], words: str) -> None:
    """One host for both faces, live with bases or cards, plain http, an unknown key, an impossible port."""
    with pytest.raises(ValueError, match=words):
        settings(**over)


def test_live_hosts_are_constants() -> None:
    """A live deployment's platforms cannot be set; a sandbox's are what the file says."""
    assert settings(kind="live").platform_bases == LIVE_BASES
    assert settings(bases={"weibo": "http://127.0.0.1:5"}).platform_bases == {"weibo": "http://127.0.0.1:5"}


@pytest.mark.parametrize("text", [None, "= broken", 'deployment = "x"\n'])
def test_a_file_that_cannot_be_used_is_said(tmp_path: Path, text: str | None) -> None:
    """Missing, no TOML, or without a needed line: the path and the fault."""
    path = tmp_path / "qianfa.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SettingsWrong, match=r"qianfa\.toml"):
        load(path)


@pytest.mark.parametrize(("over", "words"), [
    ({"smtp": "smtps://mail.example", "sender": "a@b.example"}, "must be smtp"), ({"smtp": "mail.example", "sender": "a@b.example"}, "must be smtp"),
    ({"smtp": "smtp://mail.example"}, "needs notices.sender"),
    ({"smtp": "smtp://user:secret@mail.example", "sender": "a@b.example"}, "must hold no password"),
    ({"robot": "file:///etc/passwd", "robot_kind": "json"}, "http or https"), ({"robot": "https://", "robot_kind": "json"}, "http or https"),
    ({"robot": "https://robot.example/send?key=1"}, "with its robot_kind"),
])
def test_ways_out_that_could_never_work_are_refused(over: dict[str, Any], words: str) -> None:
    """A scheme that is not spoken, no sender, a password in the address, a robot of no kind: said at the start, not with the first notice."""
    with pytest.raises(ValueError, match=words):
        Notices(**over)
