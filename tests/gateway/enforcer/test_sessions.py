"""Sessions, known devices, the hand-over to the desk, and pairing: over a real house whose clock the test moves."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.clock import Clock
from gateway.enforcer.sessions import DAY, Sessions, form_token
from gateway.protocol.commands import Change
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House, found_house, open_house
from tests.gateway.enforcer.scripted import Scripted

ALL = {"counter", "desk", "device"}
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Time:
    """A clock that moves when told; wall and boot time together."""

    passed: float = 0.0
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def clock(self) -> Clock:
        """Return a guarded clock over this time."""
        began = round(self.began.timestamp() * 1e6) * 1000
        return Clock(wall=lambda: began + round(self.passed * 1e9), boot=lambda: round(self.passed * 1e9))


@dataclass
class Desk:
    """A house with sessions and its time."""

    house: House
    sessions: Sessions
    time: Time

    def factor(self, person: str) -> str:
        """Return a person's password factor."""
        return f"pw-{self.house.people[person]}"

    def open(self, person: str = "gu", kind: str = "counter", **more: str) -> tuple[str, object]:
        """Open a session."""
        return self.sessions.open(self.house.people[person], kind, factor=self.factor(person), **more)  # type: ignore[arg-type]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Open a staffed house with a movable clock."""
    time = Time()
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {"board": Scripted()}, codes=founded.codes, clock=time.clock()) as house:
        await house.staff()
        await house.lifecycle._stop_timers()
        sessions = Sessions(tmp_path / "sessions.db", house.runner)
        yield Desk(house, sessions, time)
        sessions.close()


async def test_a_token_opens_only_its_own_kind(desk: Desk) -> None:
    """A desk session is no counter session and the other way round; a made-up token is nothing."""
    token, session = desk.open(kind="desk")
    assert desk.sessions.look(token, {"counter"}) is None
    assert desk.sessions.look(token, {"desk", "device"}) == session
    for wrong in ("", "x", "x" * 43, token[:-1], token + "a", "\ud800" * 43):
        assert desk.sessions.look(wrong, ALL) is None


async def test_no_token_or_code_is_stored_in_the_clear(desk: Desk, tmp_path: Path) -> None:
    """The file holds hashes only."""
    token, _ = desk.open()
    session = desk.sessions.look(token, ALL)
    assert session is not None
    device, _ = desk.sessions.know(session.person, factor=session.factor, label="x")
    code, pair = desk.sessions.hand_over(session, CHALLENGE), desk.sessions.pairing_code(session)
    data = b"".join(path.read_bytes() for path in tmp_path.glob("sessions.db*"))
    assert not [secret for secret in (token, device, code, pair, pair.replace("-", "")) if secret.encode() in data]


@pytest.mark.parametrize(("kind", "idle", "absolute"), [("counter", 3 * DAY, 30 * DAY), ("desk", 12 * 3600, 7 * DAY), ("device", 30 * DAY, 90 * DAY)])
async def test_sessions_end_by_idleness_and_by_age(desk: Desk, kind: str, idle: int, absolute: int) -> None:
    """Unused for its idle time, or used all along until its absolute end, a session is over."""
    unused, _ = desk.open(kind=kind)
    used, _ = desk.open(kind=kind)
    began = desk.time.passed
    desk.time.passed += idle - 5
    assert desk.sessions.look(used, ALL) is not None
    desk.time.passed += 10
    assert desk.sessions.look(unused, ALL) is None
    while desk.time.passed < began + absolute - idle / 2:
        desk.time.passed += idle / 2
        assert desk.sessions.look(used, ALL) is not None or desk.time.passed >= began + absolute
    desk.time.passed = began + absolute + 1
    assert desk.sessions.look(used, ALL) is None


async def test_a_suspension_ends_every_session(desk: Desk) -> None:
    """A suspended person has no session on any side, and none comes back after a restoration, whether or not it was used in between."""
    tokens = [desk.open(kind=kind)[0] for kind in ("counter", "desk", "device")]
    unused, session = desk.open()
    who = desk.house.people["gu"]
    code, pair = desk.sessions.hand_over(session, CHALLENGE), desk.sessions.pairing_code(session)  # type: ignore[arg-type]
    await desk.house.change(Change(type=EntryType.PERSON_SUSPENDED, object=who, data={}))
    assert [desk.sessions.look(token, ALL) for token in tokens] == [None] * 3
    assert desk.sessions.redeem(code, VERIFIER) is None
    await desk.house.change(Change(type=EntryType.PERSON_RESTORED, object=who, data={}))
    assert [desk.sessions.look(token, ALL) for token in (*tokens, unused)] == [None] * 4
    assert desk.sessions.pair(pair, "x") is None


async def test_a_suspension_that_was_not_heard_ends_every_session_at_the_next_start(desk: Desk, tmp_path: Path) -> None:
    """The process was killed between the entry and the deletion, or the file was put back: nothing of it is there any more."""
    token, _ = desk.open()
    desk.house.runner.listeners.clear()
    await desk.house.change(Change(type=EntryType.PERSON_SUSPENDED, object=desk.house.people["gu"], data={}))
    again = Sessions(tmp_path / "sessions.db", desk.house.runner)
    assert again.db.one("SELECT 1 FROM sessions") is None
    again.close()
    desk.house.runner.listeners.append(desk.sessions._heard)
    await desk.house.change(Change(type=EntryType.PERSON_RESTORED, object=desk.house.people["gu"], data={}))
    assert desk.sessions.look(token, ALL) is None


async def test_a_reset_ends_sessions_and_devices_even_after_a_restart(desk: Desk, tmp_path: Path) -> None:
    """When the factor a session stands on falls, the session and the device fall with it, whatever the file says."""
    token, session = desk.open()
    device, _ = desk.sessions.know(desk.house.people["gu"], factor=desk.factor("gu"), label="x")
    await desk.house.change(Change(type=EntryType.FACTOR_REVOKED, object=desk.house.people["gu"], data={"factor": "all"}))
    again = Sessions(tmp_path / "sessions.db", desk.house.runner)
    assert again.look(token, ALL) is None
    assert again.device_for(device, desk.house.people["gu"]) is None
    assert again.of(desk.house.people["gu"]) == []
    assert session is not None
    again.close()


async def test_signing_out_on_either_side_ends_both(desk: Desk) -> None:
    """Ending the desk session ends the counter session of the same sign-in, and the other way round; another sign-in stays."""
    for first in ("counter", "desk"):
        token, session = desk.open()
        other, _ = desk.open()
        opened = desk.sessions.redeem(desk.sessions.hand_over(session, CHALLENGE), VERIFIER)  # type: ignore[arg-type]
        assert opened is not None
        desk.sessions.end(token if first == "counter" else opened[0])
        assert desk.sessions.look(token, ALL) is None
        assert desk.sessions.look(opened[0], ALL) is None
        assert desk.sessions.look(other, ALL) is not None


async def test_a_hand_over_code_works_once_with_its_verifier(desk: Desk) -> None:
    """A wrong verifier uses the code up; the right one works once, within 60 seconds, while the counter session stands."""
    token, session = desk.open()
    code = desk.sessions.hand_over(session, CHALLENGE)  # type: ignore[arg-type]
    assert desk.sessions.redeem(code, "w" * 43) is None
    assert desk.sessions.redeem(code, VERIFIER) is None
    code = desk.sessions.hand_over(session, CHALLENGE)  # type: ignore[arg-type]
    opened = desk.sessions.redeem(code, VERIFIER)
    assert opened is not None
    assert opened[1].kind == "desk"
    assert desk.sessions.redeem(code, VERIFIER) is None
    late = desk.sessions.hand_over(session, CHALLENGE)  # type: ignore[arg-type]
    desk.time.passed += 61
    assert desk.sessions.redeem(late, VERIFIER) is None
    gone = desk.sessions.hand_over(session, CHALLENGE)  # type: ignore[arg-type]
    desk.sessions.end(token)
    assert desk.sessions.redeem(gone, VERIFIER) is None
    session = desk.open()[1]
    fallen = desk.sessions.hand_over(session, CHALLENGE)  # type: ignore[arg-type]
    await desk.house.change(Change(type=EntryType.FACTOR_REVOKED, object=desk.house.people["gu"], data={"factor": "all"}))
    assert desk.sessions.redeem(fallen, VERIFIER) is None
    assert desk.sessions.db.one("SELECT 1 FROM sessions WHERE kind = 'desk' AND sign_in = ?", (session.sign_in,)) is None  # type: ignore[attr-defined]


async def test_a_pairing_code_is_no_hand_over_code(desk: Desk) -> None:
    """Codes of one use are nothing for the other."""
    _, session = desk.open()
    pair, hand = desk.sessions.pairing_code(session), desk.sessions.hand_over(session, CHALLENGE)  # type: ignore[arg-type]
    assert desk.sessions.redeem(pair.replace("-", ""), VERIFIER) is None
    assert desk.sessions.pair(hand, "x") is None


async def test_pairing_works_once_within_ten_minutes_however_it_is_typed(desk: Desk) -> None:
    """The code pairs one extension, spelt with or without its dash and in any case; a newer code replaces it."""
    _, session = desk.open()
    old = desk.sessions.pairing_code(session)  # type: ignore[arg-type]
    code = desk.sessions.pairing_code(session)  # type: ignore[arg-type]
    assert desk.sessions.pair(old, "x") is None
    opened = desk.sessions.pair(code.lower().replace("-", " "), "工作电脑")
    assert opened is not None
    assert (opened[1].kind, opened[1].label, opened[1].person) == ("device", "工作电脑", desk.house.people["gu"])
    assert desk.sessions.pair(code, "x") is None
    late = desk.sessions.pairing_code(session)  # type: ignore[arg-type]
    desk.time.passed += 601
    assert desk.sessions.pair(late, "x") is None


async def test_guessed_pairing_codes_wait(desk: Desk) -> None:
    """After twenty misses even the right code waits, and the count stands in the file."""
    _, session = desk.open()
    code = desk.sessions.pairing_code(session)  # type: ignore[arg-type]
    assert [desk.sessions.pair("22222222", "x") for _ in range(20)] == [None] * 20
    assert desk.sessions.pair(code, "x") is None
    desk.time.passed += 70
    assert desk.sessions.pair(code, "x") is not None


async def test_a_device_is_known_for_thirty_days_and_revoked_at_once(desk: Desk) -> None:
    """A known device counts for its own people only, ends after 30 days, and takes its sessions with it when it is revoked."""
    who, other = desk.house.people["gu"], desk.house.people["lu"]
    token, device = desk.sessions.know(who, factor=desk.factor("gu"), label="手机")
    same, second = desk.sessions.know(other, factor=desk.factor("lu"), label="手机", token=token)
    assert same == token
    assert {*desk.sessions.people_on(token)} == {who, other}
    session, _ = desk.open(device=device.id)
    desk.sessions.forget_device(other, device.id)
    assert desk.sessions.look(session, ALL) is not None, "nobody revokes another's device"
    desk.sessions.forget_device(who, device.id)
    assert desk.sessions.look(session, ALL) is None
    assert desk.sessions.device_for(token, who) is None
    assert desk.sessions.device_for(token, other) == second
    desk.time.passed += 30 * DAY + 1
    assert desk.sessions.device_for(token, other) is None


async def test_a_device_token_of_ones_own_choosing_is_not_taken(desk: Desk) -> None:
    """A token that was never handed out does not become known: a fresh one is made."""
    token, _ = desk.sessions.know(desk.house.people["gu"], factor=desk.factor("gu"), label="x", token="a" * 43)
    assert token != "a" * 43
    assert desk.sessions.people_on("a" * 43) == []


async def test_nobody_ends_anothers_session(desk: Desk) -> None:
    """Ending by id works for one's own sessions only."""
    token, session = desk.open()
    desk.sessions.end_id(desk.house.people["lu"], session.id)  # type: ignore[attr-defined]
    assert desk.sessions.look(token, ALL) is not None
    desk.sessions.end_id(desk.house.people["gu"], session.id)  # type: ignore[attr-defined]
    assert desk.sessions.look(token, ALL) is None


def test_form_tokens_differ_by_session() -> None:
    """A form token follows from its session's token alone, and says nothing of it."""
    assert form_token("a") != form_token("b")
    assert len(form_token("a")) == 64
