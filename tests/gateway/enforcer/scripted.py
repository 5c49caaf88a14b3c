"""A platform whose every answer a test can set, as a connector: drafts, edits and withdrawals on a board in memory, with its own ledger.

It stands for what no sandbox of a real platform does on demand: an exception in the one call, an edit in place, a picture that is not
there, an answer that cannot be logged. What it shows (`board`) and what it was asked (`calls`) is counted here, not by the gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime

from gateway import canonical
from gateway.canonical import Digest
from gateway.connectors.base import (
    Absent,
    Call,
    ChannelFacts,
    CredentialField,
    Gone,
    Live,
    LoadMedia,
    MediaRef,
    Operation,
    Outcome,
    PlatformRefused,
    Prepared,
    Previous,
    ProbeStep,
    SaveHandle,
    Settled,
    Template,
)
from gateway.content import Content


class Scripted:
    """See the module. `raising[step]` is raised once at that step; `outcomes` are answered by `commit` in place of its own."""

    platform = "wordpress"  # one that the machine knows, and that edits
    version = "board/1"
    sends = frozenset({"board/1"})
    operations = frozenset(Operation)
    credential_fields = (CredentialField(key="key", zh="钥匙", en="Key", secret=True),)

    def __init__(self) -> None:
        self.drafting = True
        self.board: dict[str, str] = {}
        self.drafts: dict[str, str] = {}
        self.calls: list[str] = []
        self.raising: dict[str, BaseException] = {}
        self.outcomes: list[Outcome] = []
        self.settled: Settled = Absent(how="scripted")
        self.slow: dict[str, float] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.keys: list[str] = []

    async def _step(self, name: str, call: Call) -> None:
        self.calls.append(name)
        self.keys.append(call.credential["key"])
        await asyncio.sleep(self.slow.get(name, 0))
        if name in self.held:
            await self.held[name].wait()
        error = self.raising.pop(name, None)
        if error is not None:
            raise error

    def prepares(self, operation: Operation) -> bool:  # noqa: ARG002 -- one answer for all
        """See the contract; `drafting` says it for all."""
        return self.drafting

    def render(self, content: Content | None, channel: ChannelFacts, operation: Operation, previous: Previous | None) -> Template:
        """See the contract."""
        text = content.title if content is not None else ""
        media = tuple(MediaRef(role=m.role, type=m.type, length=m.length, digest=m.sha256) for m in (content.media if content else ()))
        return Template(
            platform=self.platform, connector=self.version, operation=operation, account=channel.account, fields={"text": (text,)},
            media=media, previous=previous,
        )

    async def prepare(self, call: Call, template: Template, load: LoadMedia, handles: Mapping[str, str], save: SaveHandle) -> Prepared:
        """See the contract."""
        await self._step("prepare", call)
        for item in template.media:
            load(item.digest)
        fields = template.fill({})
        if not self.drafting:
            await self._step("prepared", call)
            return Prepared(handles={}, filled=canonical.digest(fields), snapshot=canonical.digest(fields))
        draft = handles.get("draft")
        if draft is None:
            draft = f"d{len(self.drafts) + 1}"
            self.drafts[draft] = fields["text"]
            self.calls.append("draft")
            await save("draft", draft)
        await self._step("prepared", call)
        if draft not in self.drafts:
            raise PlatformRefused("draft_gone", "草稿不见了", "the draft is gone")
        return Prepared(handles={**handles, "draft": draft}, filled=canonical.digest(fields), snapshot=self._snapshot(draft))

    def _snapshot(self, draft: str) -> Digest:
        return canonical.sha256(self.drafts[draft].encode())

    async def reread(self, call: Call, template: Template, prepared: Prepared) -> Digest:
        """See the contract."""
        del template
        await self._step("reread", call)
        return self._snapshot(prepared.handles["draft"])

    async def commit(self, call: Call, template: Template, prepared: Prepared) -> Outcome:
        """See the contract, but for what a test makes it raise."""
        await self._step("commit", call)
        if self.outcomes:
            return self.outcomes.pop(0)
        previous = template.previous.id if template.previous else ""
        if template.operation is Operation.WITHDRAW:
            del self.board[previous]
            return Gone(id=previous)
        identifier = previous or f"post{len(self.board) + 1}"
        self.board[identifier] = self.drafts[prepared.handles["draft"]] if self.drafting else template.fill({})["text"]
        return Live(id=identifier, url=f"https://board.example/{identifier}")

    async def follow(self, call: Call, handle: str) -> Outcome:
        """See the contract."""
        await self._step("follow", call)
        return self.outcomes.pop(0) if self.outcomes else Live(id=handle, url=f"https://board.example/{handle}")

    async def reconcile(self, call: Call, template: Template, prepared: Prepared, dispatched_at: datetime) -> Settled:
        """See the contract."""
        del template, prepared, dispatched_at
        await self._step("reconcile", call)
        return self.settled

    async def observe(self, call: Call, template: Template, live: Live, prepared: Prepared) -> bool:
        """See the contract."""
        del prepared
        await self._step("observe", call)
        return self.board.get(live.id) == template.fill({})["text"]

    async def abandon(self, call: Call, handles: Mapping[str, str]) -> None:
        """See the contract."""
        await self._step("abandon", call)
        self.drafts.pop(handles.get("draft", ""), None)

    def parse_credential(self, form: Mapping[str, str]) -> bytes:
        """See the contract."""
        return canonical.encode({"key": form["key"]})

    async def probe(self, call: Call) -> list[ProbeStep]:
        """See the contract."""
        del call
        return []
