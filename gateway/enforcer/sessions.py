"""Sessions: who is at the counter, at the desk, and behind the extension; known devices, the hand-over to the desk, and pairing.

1. A token is 256 random bits; only its SHA-256 is stored. A counter session and the desk session it handed over share a `sign_in`, and
   ending either ends both.
2. A session stands on the factor it was opened with: when that factor falls (revoked, reset by two, a recovery code used), or the person
   is suspended, it is over, with no list to keep in step. What a suspension ended is deleted with it, so that a restoration brings none back.
3. A device is known for 30 days after an enrolment or a passkey sign-in there, and can be revoked; only there does a password sign in.
4. One-time codes live 60 s (hand-over to the desk, PKCE S256 of RFC 7636) or 10 min (pairing an extension) and work once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Row
from typing import Final, Literal

from gateway.enforcer.ephemeral import Ephemeral, hash_of
from gateway.enforcer.ids import new_id
from gateway.enforcer.runner import Runner
from gateway.log.errors import LogUnavailable
from gateway.protocol import instants
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.instants import Instant
from vault.errors import TooMany
from vault.throttle import Throttle

Kind = Literal["counter", "desk", "device"]

DAY: Final = 86_400
DEVICE_SECONDS: Final = 30 * DAY
HANDOFF_SECONDS: Final = 60
PAIR_SECONDS: Final = 600
SEEN_SECONDS: Final = 60
ABSOLUTE: Final[dict[str, int]] = {"counter": DEVICE_SECONDS, "desk": 7 * DAY, "device": 90 * DAY}
IDLE: Final[dict[str, int]] = {"counter": 3 * DAY, "desk": 12 * 3600, "device": 30 * DAY}
"""How long a session lasts at most, and without use. The counter's is a known device's: an approver's notice opens the item itself."""

_SUSPENSIONS: Final = frozenset({EntryType.PERSON_SUSPENDED, EntryType.PERSON_RESTORED})

PAIR_ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
PAIR_LENGTH: Final = 8
PAIRING: Final = Throttle(free=20, base_seconds=1, max_seconds=60)
"""Tries of pairing codes from anywhere: 30^8 codes, at most one a minute after the first twenty misses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open session. `id` names it in lists, `sign_in` ties counter and desk together, `factor` is what it was opened with."""

    id: str
    person: str
    kind: str
    sign_in: str
    factor: str
    device: str
    label: str
    opened: Instant
    seen: Instant
    expires: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A browser in which a person may sign in with a password."""

    id: str
    person: str
    label: str
    made: Instant
    seen: Instant
    expires: Instant


class Sessions:
    """See the module's list. `db` is the ephemeral file, shared with proofs and tries."""

    def __init__(self, path: Path, runner: Runner) -> None:
        self.db = Ephemeral(path)
        self._runner = runner
        self.db.sweep(runner.now())
        for person in runner.state.people.values():
            if person.suspended:
                self._end_all(person.id)
        runner.listeners.append(self._heard)

    def close(self) -> None:
        """Close the file."""
        self._runner.listeners.remove(self._heard)
        self.db.close()

    def _heard(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if entry.type in _SUSPENSIONS:
                self._end_all(entry.object)

    def _end_all(self, person: str) -> None:
        """Delete what a suspension ends, also where nobody looks at it before the person is restored; at a restoration once more."""
        with suppress(LogUnavailable):  # a full disk: it is over all the same while the suspension stands
            for table in ("sessions", "codes", "proofs"):
                self.db.run(f"DELETE FROM {table} WHERE person = ?", (person,))  # noqa: S608 -- three names of ours

    # ---- opening, looking, ending

    def open(self, person: str, kind: Kind, *, factor: str, device: str = "", label: str = "", sign_in: str = "") -> tuple[str, Session]:
        """Open a session and return its token, which is nowhere else, and itself. Always a fresh token: nothing can be fixed beforehand."""
        token, now = secrets.token_urlsafe(32), self._runner.now()
        session = Session(
            id=new_id("ses"), person=person, kind=kind, sign_in=sign_in or new_id("sin"), factor=factor, device=device, label=label[:80],
            opened=now, seen=now, expires=instants.plus(now, ABSOLUTE[kind]),
        )
        self.db.sweep(now)
        self.db.run("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (
            hash_of(token), session.id, person, kind, session.sign_in, factor, device, session.label, now, now, session.expires,
        ))
        return token, session

    def look(self, token: str, kinds: AbstractSet[str]) -> Session | None:
        """Return the open session behind `token` if it is of one of `kinds`, else None."""
        row = self.db.one("SELECT * FROM sessions WHERE hash = ?", (hash_of(token),)) if 20 <= len(token) <= 200 else None
        if row is None or row["kind"] not in kinds:
            return None
        session, now = _session(row), self._runner.now()
        if now >= session.expires or now >= instants.plus(session.seen, IDLE[session.kind]) or not self._stands(session):
            with suppress(LogUnavailable):  # it is over whether or not the disk takes that
                self.db.run("DELETE FROM sessions WHERE id = ?", (session.id,))
            return None
        if instants.seconds_between(session.seen, now) >= SEEN_SECONDS:
            with suppress(LogUnavailable):  # on a full disk people must still get to the stop button
                self.db.run("UPDATE sessions SET seen = ? WHERE id = ?", (now, session.id))
        return session

    def _stands(self, session: Session) -> bool:
        person = self._runner.state.people.get(session.person)
        if person is None or person.suspended or session.factor not in person.factors:
            return False
        return not session.device or self.db.one("SELECT 1 FROM devices WHERE id = ?", (session.device,)) is not None

    def end(self, token: str) -> None:
        """End the session behind `token` and the other side of its sign-in."""
        row = self.db.one("SELECT sign_in FROM sessions WHERE hash = ?", (hash_of(token),))
        if row is not None:
            self.db.run("DELETE FROM sessions WHERE sign_in = ?", (row["sign_in"],))

    def end_id(self, person: str, identifier: str) -> None:
        """End one of a person's own sessions, with the other side of its sign-in."""
        self.db.run(
            "DELETE FROM sessions WHERE person = ? AND sign_in = (SELECT sign_in FROM sessions WHERE id = ? AND person = ?)",
            (person, identifier, person),
        )

    def of(self, person: str) -> list[Session]:
        """Return a person's open sessions, newest first."""
        rows = self.db.all("SELECT * FROM sessions WHERE person = ? AND expires > ? ORDER BY opened DESC", (person, self._runner.now()))
        return [session for session in map(_session, rows) if self._stands(session)]

    # ---- known devices

    def know(self, person: str, *, factor: str, label: str, token: str = "") -> tuple[str, Device]:
        """Make the browser that holds `token` (a fresh one where empty or unknown) known for this person; return token and device."""
        known = self.db.one("SELECT 1 FROM devices WHERE hash = ?", (hash_of(token),)) if token else None
        token = token if known else secrets.token_urlsafe(32)
        now = self._runner.now()
        device = Device(id=new_id("dev"), person=person, label=label[:80], made=now, seen=now, expires=instants.plus(now, DEVICE_SECONDS))
        with self.db.together():
            before = self.db.one("SELECT id FROM devices WHERE hash = ? AND person = ?", (hash_of(token), person))
            if before is not None:
                self.db.run("UPDATE devices SET factor = ?, label = ?, seen = ?, expires = ? WHERE id = ?",
                            (factor, device.label, now, device.expires, before["id"]))
            else:
                self.db.run("INSERT INTO devices VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                            (hash_of(token), device.id, person, factor, device.label, now, now, device.expires))
        row = self.db.one("SELECT * FROM devices WHERE hash = ? AND person = ?", (hash_of(token), person))
        assert row is not None
        return token, _device(row)

    def device_for(self, token: str, person: str) -> Device | None:
        """Return the known device of `person` behind `token`, or None."""
        row = self.db.one("SELECT * FROM devices WHERE hash = ? AND person = ? AND expires > ?", (hash_of(token), person, self._runner.now()))
        return _device(row) if row is not None and self._device_stands(row) else None

    def people_on(self, token: str) -> list[str]:
        """Return who is known on the device behind `token`, the latest first."""
        rows = self.db.all("SELECT * FROM devices WHERE hash = ? AND expires > ? ORDER BY seen DESC", (hash_of(token), self._runner.now()))
        return [row["person"] for row in rows if self._device_stands(row)]

    def _device_stands(self, row: Row) -> bool:
        person = self._runner.state.people.get(row["person"])
        return person is not None and not person.suspended and row["factor"] in person.factors

    def devices_of(self, person: str) -> list[Device]:
        """Return a person's known devices."""
        rows = self.db.all("SELECT * FROM devices WHERE person = ? AND expires > ? ORDER BY seen DESC", (person, self._runner.now()))
        return [_device(row) for row in rows if self._device_stands(row)]

    def forget_device(self, person: str, identifier: str) -> None:
        """Revoke a device and every session opened on it."""
        with self.db.together():
            self.db.run("DELETE FROM devices WHERE id = ? AND person = ?", (identifier, person))
            self.db.run("DELETE FROM sessions WHERE device = ? AND person = ?", (identifier, person))

    # ---- hand-over to the desk

    def hand_over(self, session: Session, challenge: str) -> str:
        """Return a one-time code with which the desk, holding the verifier of `challenge` (PKCE S256), gets its session."""
        code = secrets.token_urlsafe(32)
        self._code(code, "desk", session, challenge, HANDOFF_SECONDS)
        return code

    def redeem(self, code: str, verifier: str) -> tuple[str, Session] | None:
        """Exchange a hand-over code for a desk session; the code is gone whether or not the verifier fits."""
        row = self._take(code, "desk")
        proof = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if row is None or not hmac.compare_digest(row["challenge"], proof):
            return None
        counter = self.db.one("SELECT * FROM sessions WHERE sign_in = ? AND kind = 'counter'", (row["sign_in"],))
        if counter is None or not self._stands(_session(counter)):
            return None  # signed out at the counter meanwhile
        return self.open(row["person"], "desk", factor=row["factor"], device=counter["device"], label=counter["label"], sign_in=row["sign_in"])

    # ---- pairing an extension

    def pairing_code(self, session: Session) -> str:
        """Return an 8-character code, in two groups of four, that pairs one extension with this person within ten minutes."""
        text = "".join(secrets.choice(PAIR_ALPHABET) for _ in range(PAIR_LENGTH))
        self.db.run("DELETE FROM codes WHERE use = 'pair' AND person = ?", (session.person,))
        self._code(text, "pair", session, "", PAIR_SECONDS)
        return f"{text[:4]}-{text[4:]}"

    def pair(self, code: str, device_name: str) -> tuple[str, Session] | None:
        """Exchange a pairing code for a device session; wrong codes wait longer and longer, whoever sends them."""
        text = "".join(character for character in code.upper() if character in PAIR_ALPHABET)
        try:
            self.db.attempt("pair", PAIRING, self._runner.clock.moment())
        except TooMany:
            return None
        row = self._take(text, "pair")
        if row is None:
            return None
        self.db.forgive("pair")
        person = self._runner.state.people.get(row["person"])
        if person is None or person.suspended or row["factor"] not in person.factors:
            return None
        return self.open(row["person"], "device", factor=row["factor"], label=device_name)

    def _code(self, code: str, use: str, session: Session, challenge: str, seconds: int) -> None:
        self.db.run("INSERT INTO codes VALUES (?, ?, ?, ?, ?, ?, ?)", (
            hash_of(code), use, session.person, session.sign_in, session.factor, challenge, instants.plus(self._runner.now(), seconds),
        ))

    def _take(self, code: str, use: str) -> Row | None:
        with self.db.together():
            row = self.db.one("SELECT * FROM codes WHERE hash = ? AND use = ?", (hash_of(code), use))
            self.db.run("DELETE FROM codes WHERE hash = ? AND use = ?", (hash_of(code), use))
        return row if row is not None and row["expires"] > self._runner.now() else None


def _session(row: Row) -> Session:
    return Session(**{name: row[name] for name in (
        "id", "person", "kind", "sign_in", "factor", "device", "label", "opened", "seen", "expires")})


def _device(row: Row) -> Device:
    return Device(**{name: row[name] for name in ("id", "person", "label", "made", "seen", "expires")})


def form_token(session_token: str) -> str:
    """Return the form token of a session: derived from its secret, so that only a page of this session can hold it."""
    return hmac.digest(session_token.encode(), b"qianfa/form/v1", "sha256").hex()
