"""The bench platform's connector: one POST of 4 KiB and nothing to prepare, so that what is measured is the gate."""

# ruff: noqa: ARG002 -- the contract's parameters; this platform needs few of them

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.connectors.answers import NOT_SENT, lost
from gateway.connectors.base import (
    Absent,
    Call,
    ChannelFacts,
    CredentialField,
    Live,
    LoadMedia,
    Operation,
    Outcome,
    Prepared,
    Previous,
    ProbeStep,
    SaveHandle,
    Settled,
    Template,
    Unknown,
)
from gateway.connectors.transport import NotSent, ReplyLost
from gateway.content import Content

PLATFORM: Final = "bench"


class BenchConnector:
    """See `gateway.connectors.base.Connector`; a publication is one request, and nothing stands on the platform before it."""

    platform = PLATFORM
    version = "bench/1"
    sends = frozenset({"bench/1"})
    operations = frozenset({Operation.PUBLISH})
    credential_fields = (CredentialField(key="token", zh="令牌", en="Token", secret=True),)

    def prepares(self, operation: Operation) -> bool:
        """See the contract."""
        return False

    def render(self, content: Content | None, channel: ChannelFacts, operation: Operation, previous: Previous | None) -> Template:
        """See the contract."""
        assert content is not None
        return Template(platform=PLATFORM, connector=self.version, operation=operation, account=channel.account,
                        fields={"title": (content.title,), "body": (content.body,)}, previous=previous)

    async def prepare(self, call: Call, template: Template, load: LoadMedia, handles: Mapping[str, str], save: SaveHandle) -> Prepared:
        """See the contract; there is nothing to prepare."""
        return Prepared(handles=dict(handles), filled=Digest(""), snapshot=Digest(""))

    async def reread(self, call: Call, template: Template, prepared: Prepared) -> Digest:
        """See the contract; never asked, since nothing is prepared."""
        return prepared.snapshot

    async def commit(self, call: Call, template: Template, prepared: Prepared) -> Outcome:
        """See the contract: one POST of the body's text, the title in its query."""
        fields = template.fill({})
        try:
            reply = await call.transport.request(
                "POST", f"{call.base_url}/publish", headers={"Authorization": f"Bearer {call.credential['token']}"},
                data=fields["body"].encode(), deadline=call.deadline,
            )
        except NotSent:
            return NOT_SENT
        except ReplyLost as error:
            return lost(error)
        number = str(json.loads(reply.body)["id"]) if reply.status == 200 else ""
        return Live(id=number, url=f"{call.base_url}/p/{number}") if number else Unknown(cause=f"http:{reply.status}")

    async def follow(self, call: Call, handle: str) -> Outcome:
        """See the contract; nothing is ever pending."""
        return Unknown(cause="never_pending")

    async def reconcile(self, call: Call, template: Template, prepared: Prepared, dispatched_at: datetime) -> Settled:
        """See the contract; the bench never loses a reply."""
        return Absent(how="bench")

    async def observe(self, call: Call, template: Template, live: Live, prepared: Prepared) -> bool:
        """See the contract."""
        return True

    async def abandon(self, call: Call, handles: Mapping[str, str]) -> None:
        """See the contract; nothing is left."""

    def parse_credential(self, form: Mapping[str, str]) -> bytes:
        """See the contract."""
        return canonical.encode({"token": form["token"]})

    async def probe(self, call: Call) -> list[ProbeStep]:
        """See the contract."""
        return [ProbeStep(name="token", ok=True, zh="正常。", en="Works.")]


__all__ = ["PLATFORM", "BenchConnector"]
