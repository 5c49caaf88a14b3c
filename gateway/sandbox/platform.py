"""What every sandbox platform offers to the server, the control port and the tests."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.sandbox.clock import Clock, SandboxClock
from gateway.sandbox.faults import Fault, Faults
from gateway.sandbox.ledger import Ledger, Record, rfc3339
from gateway.sandbox.storage import Storage
from gateway.sandbox.wire import JSON, Call, Reply, decoded, digest_of


class NoSuchTarget(LookupError):
    """An account, draft, article or post that was named does not exist in the sandbox."""


class Platform(ABC):
    """One platform: its state, its ledger, its faults, and what its API and its public pages answer.

    `base_url` is set when the server is bound; addresses of pages and pictures are made from it.
    """

    name: str

    def __init__(self, *, clock: Clock | None, folder: Path | None, classes: tuple[type, ...]) -> None:
        self.clock: Clock = clock or SandboxClock()
        self.storage = Storage(folder, classes=classes)
        self.ledger = Ledger()
        self.faults = Faults()
        self.base_url = "http://127.0.0.1"

    @property
    def unix(self) -> float:
        """The sandbox's time in Unix seconds."""
        return self.clock.now().timestamp()

    def perform(self, call: Call, fault: Fault | None) -> Reply:
        """Answer one API call, record it, and let waiting edits by hand happen; never raises for a bad request."""
        fields = decoded(call)
        reply = self.injected(call, fault) or self.answer(call)
        self.ledger.append(
            Record(
                seq=self.ledger.next_seq, at=rfc3339(call.now), platform=self.name, endpoint=call.endpoint,
                method=call.method, who=call.who, effect=reply.effect, status=reply.status, code=reply.code,
                fault=None if fault is None else fault.name, digest=digest_of(fields), fields=fields,
            )
        )  # fmt: skip
        for edit in self.faults.take_edits(call.endpoint, fields):
            self.edit_by_hand(edit.target, edit.changes, index=edit.index)
        self.save()
        return reply

    def record_lost(self, call: Call, fault: Fault) -> None:
        """Record a call that a fault ended before the platform looked at it."""
        fields = decoded(call)
        record = Record(
            seq=self.ledger.next_seq, at=rfc3339(call.now), platform=self.name, endpoint=call.endpoint,
            method=call.method, who=None, effect=False, status=0, code=0, fault=fault.name,
            digest=digest_of(fields), fields=fields,
        )  # fmt: skip
        self.ledger.append(record)

    def injected(self, call: Call, fault: Fault | None) -> Reply | None:
        """Answer in the platform's stead for throttle and refuse; expire the credential for expire_credential."""
        if fault is None:
            return None
        if fault.kind == "throttle":
            return self.refusal(call, self.throttle_code)
        if fault.kind == "refuse":
            return self.refusal(call, fault.code)
        if fault.kind == "expire_credential":
            self.expire_carried_credential(call)
        return None

    def save(self) -> None:
        """Write the state to its folder, when it has one."""
        self.storage.save(self.snapshot())

    throttle_code: int

    @abstractmethod
    def endpoint_of(self, path: str) -> str:
        """Name the endpoint of a request path, in the form the platform's documentation uses."""

    @abstractmethod
    def answer(self, call: Call) -> Reply:
        """Answer an API call and change the state accordingly."""

    @abstractmethod
    def refusal(self, call: Call, code: int) -> Reply:
        """Shape the platform's own error answer for a code."""

    @abstractmethod
    def expire_carried_credential(self, call: Call) -> None:
        """Make the credential that the call carries count as expired."""

    @abstractmethod
    def expire_credentials(self, who: str) -> None:
        """Make all live credentials of an account or user count as expired."""

    @abstractmethod
    def edit_by_hand(self, target: str, changes: Mapping[str, Any], *, index: int = 0) -> None:
        """Alter a draft or a published thing as someone in the back office would; NoSuchTarget when unknown."""

    @abstractmethod
    def create_account(self, wanted: JSON) -> JSON:
        """Create an account from the control port's JSON and answer what a client needs to use it."""

    @abstractmethod
    def accounts_json(self) -> list[JSON]:
        """List the accounts without their secrets."""

    @abstractmethod
    def published_json(self) -> list[JSON]:
        """List what readers can or could see: id, title or text, address, and whether it is gone."""

    @abstractmethod
    def snapshot(self) -> object:
        """Return the whole state for the storage."""

    @abstractmethod
    async def page(self, request: web.Request) -> web.StreamResponse | None:
        """Answer a public page or picture, or None when the path is the API's."""


async def pause(seconds: float) -> None:
    """Wait real seconds; the one place where the sandbox sleeps."""
    await asyncio.sleep(seconds)
