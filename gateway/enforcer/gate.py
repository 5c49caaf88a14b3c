"""The gate: the only way anything reaches a platform. Nine steps, in this order; the code repeats the numbers.

1. Load token, template and content from the blob store and hash what was loaded. Nothing is rendered again, no digest is taken from a caller.
2. Verify the token: strict parse, payload type, signature, audience, epoch, window.
3. Scope: content, template, channel, credential version, operation, previous state; exact equality.
4. `Spend` is decided: route complete, by different people who held office, nothing frozen, filing in force, quota allows, token unspent.
   INTENDED is durable. *Crash here: nothing is public; the intent goes on, or is abandoned when its window ends.*
5. Lease this channel's credential. Prepare: uploads, a draft, each handle an entry; read back equal, else a person. PREPARED is durable.
6. Re-read: equal to the snapshot. `Dispatch` is decided with every check of 4 that can change; DISPATCHED (not after +30 s) is durable, with
   the checkpoint copy, in the same turn: the only licence to send. *Crash from here to 8: UNKNOWN, never sent again.*
7. The one call that makes it public: once, inside its 30 s, one commit a channel at a time.
8. The outcome is an entry: live, gone, pending, rejected or unknown. What is live is compared with what was approved once more.
9. Pending is followed, unknown is read back (`followup.py`); neither ever sends.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.canonical import Digest
from gateway.connectors.base import (
    Call,
    Connector,
    Gone,
    Live,
    LoadMedia,
    Outcome,
    Pending,
    PlatformRefused,
    Prepared,
    ReadBackDiffers,
    Rejected,
    Template,
    Unknown,
)
from gateway.connectors.transport import Transport
from gateway.enforcer.blobs import BlobAltered, BlobMissing
from gateway.enforcer.runner import Runner
from gateway.enforcer.values import Values
from gateway.machine.freezes import frozen_by
from gateway.machine.state import Channel, Publication, PublicationState
from gateway.protocol import claims as token_claims
from gateway.protocol import instants
from gateway.protocol.claims import PAYLOAD_TYPE, Claims, ClaimsInvalid
from gateway.protocol.commands import Abandon, Dispatch, RecordDrift, RecordHandle, RecordOutcome, RecordPrepared, Spend
from gateway.protocol.denials import Denied
from gateway.protocol.entries import SYSTEM
from vault import dsse
from vault.errors import VaultError
from vault.seal import KeyName
from vault.store import SealedStore

log = structlog.get_logger("gate")

WAITING = frozenset({"frozen", "quota_exhausted", "hold_running", "vault_sealed", "clock_behind", "channel_unfiled"})
"""Refusals that may pass by themselves: the publication stays where it is and is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Step 1 to 3's result: verified claims, and the template whose bytes they name."""

    claims: Claims
    template: Template
    previous_url: str


class Gate:
    """Sends publications, each at most once."""

    def __init__(
        self, *, runner: Runner, sealed: SealedStore, values: Values, connectors: Mapping[str, Connector], bases: Mapping[str, str],
        transport: Transport,
    ) -> None:
        self.runner = runner
        self._sealed = sealed
        self._values = values
        self.connectors = connectors
        self._bases = bases
        self._transport = transport
        self._channel_turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def send(self, identifier: str) -> None:
        """Take one publication as far as it will go; every end is in the log. Never raises `Denied`."""
        publication = self.runner.state.publications[identifier]
        async with self._channel_turns[publication.channel]:
            try:
                await self._send(publication)
            except Denied as denied:
                await self._denied(publication, denied)

    async def _send(self, publication: Publication) -> None:
        loaded = self.load_and_verify(publication)
        if publication.state is PublicationState.HELD:
            claims = loaded.claims
            await self.runner.system(Spend(  # 4
                publication=publication.id, jti=claims.jti, epoch=claims.epoch, operation=claims.operation, channel=claims.channel,
                credential_version=claims.credential, content=Digest(claims.content) if claims.content else None,
                template=Digest(claims.template), previous=publication.previous,
            ))
        connector = self.connectors[loaded.template.platform]
        async with self.call(publication, purpose=f"send {publication.jti}") as call:  # 5
            prepared = await self._prepare(publication, loaded, connector, call)
            if prepared is None:
                return
            if not await self._unaltered(publication, loaded, connector, call, prepared):  # 6
                return
            done = await self.runner.system(Dispatch(publication=publication.id, credential_version=call.credential_version))
            not_after = done.entries[-1].data["not_after"]
            outcome = await self._commit(call, connector, loaded, prepared, not_after)  # 7
            await self.record(publication, outcome)  # 8
            await self.compare(publication, connector, call, loaded.template, prepared, outcome)

    # ---- steps 1 to 3

    def load_and_verify(self, publication: Publication) -> Loaded:
        """Do steps 1, 2 and 3 for a publication.

        Raises:
            Denied: `token_invalid`, `token_expired` or `scope_mismatch`.
        """
        blobs, state = self.runner.blobs, self.runner.state
        try:  # 1
            text = blobs.get(publication.token)
            template_bytes = blobs.get(publication.template)
            if publication.content is not None:
                blobs.get(publication.content)
        except (BlobMissing, BlobAltered) as error:
            raise Denied("scope_mismatch", detail=type(error).__name__) from error
        claims = verify_token(text, self.runner.vault.public_key(KeyName.APPROVAL))  # 2
        if (claims.deployment, claims.kind, claims.epoch) != (state.deployment, state.kind, state.epoch):
            raise Denied("token_invalid", detail="audience or epoch")
        now = self.runner.now()
        if now >= claims.exp:
            raise Denied("token_expired")
        if now < claims.nbf:
            raise Denied("hold_running")
        template = Template.parse(template_bytes)
        channel = state.channels[publication.channel]
        self._check_scope(claims, publication, template, channel)  # 3
        return Loaded(claims=claims, template=template, previous_url=template.previous.url if template.previous else "")

    def _check_scope(self, claims: Claims, publication: Publication, template: Template, channel: Channel) -> None:
        """Token, recorded publication, loaded template and channel all say the same; nothing is compared loosely."""
        in_template = {"id": template.previous.id, "digest": template.previous.digest} if template.previous else None
        same = (
            (claims.jti, claims.publication, claims.submission, claims.revision)
            == (publication.jti, publication.id, publication.submission, publication.revision)
            and (claims.content, claims.template) == (publication.content, publication.template)
            and claims.channel == publication.channel == channel.id
            and claims.operation == publication.operation == template.operation.value
            and claims.credential == publication.credential
            and claims.previous == in_template
            and (template.platform, template.account) == (channel.platform, channel.account)
        )
        if not same:
            raise Denied("scope_mismatch", detail=publication.id)

    # ---- step 5

    @asynccontextmanager
    async def call(self, publication: Publication, *, purpose: str) -> AsyncIterator[Call]:
        """Lease the channel's credential for one use and give the call that carries it.

        Raises:
            Denied: the vault is sealed, or the stored row is not the one the log names.
        """
        channel = self.runner.state.channels[publication.channel]
        async with self.channel_call(channel, purpose=purpose, rip=self._values.text(publication.rip) or "" if publication.rip else "") as call:
            yield call

    @asynccontextmanager
    async def channel_call(self, channel: Channel, *, purpose: str, rip: str = "") -> AsyncIterator[Call]:
        """Lease one channel's credential; see `call`."""
        credential = channel.credential
        if credential is None:
            raise Denied("credential_missing", detail=channel.id, ask=channel.custodians)
        row = self._sealed.get(credential.secret, credential.version)
        if row is None:
            raise Denied("credential_missing", detail=channel.id, ask=channel.custodians)
        try:
            with self.runner.vault.lease(
                secret_id=credential.secret, version=credential.version, row=row.row, expected_sha256=credential.sha256, purpose=purpose,
            ) as secret:
                yield Call(
                    transport=self._transport, base_url=self.base_url(channel), account=channel.account, settings=channel.settings,
                    credential=json.loads(secret.expose()), credential_version=credential.version, now=self.runner.clock.moment, rip=rip,
                )
        except VaultError as error:
            raise Denied("vault_sealed", detail=type(error).__name__) from error

    def base_url(self, channel: Channel) -> str:
        """Return where this channel's platform answers: a constant of the deployment, or the channel's own site."""
        return self._bases.get(channel.platform) or channel.settings.get("site", "")

    def media(self) -> LoadMedia:
        """Return the loader of pictures, which hashes what it loads."""
        return self.runner.blobs.get

    async def _prepare(self, publication: Publication, loaded: Loaded, connector: Connector, call: Call) -> Prepared | None:
        async def save(name: str, value: str) -> None:
            await self.runner.system(RecordHandle(publication=publication.id, name=name, value=value))

        try:
            prepared = await connector.prepare(call, loaded.template, self.media(), dict(publication.handles), save)
        except PlatformRefused as refused:
            if refused.transient:
                log.warning("preparation will be tried again", action="prepare_retry", publication=publication.id, code=refused.code)
                raise Denied("hold_running", detail=refused.code) from refused
            await self._give_up(publication, connector, call, f"platform:{refused.code}", refused)
            return None
        except ReadBackDiffers as differs:
            await self._give_up(publication, connector, call, f"readback:{differs.where}", None)
            return None
        if connector.prepares:
            await self.runner.system(RecordPrepared(publication=publication.id, filled=prepared.filled, snapshot=prepared.snapshot))
        return prepared

    # ---- step 6 and 7

    async def _unaltered(self, publication: Publication, loaded: Loaded, connector: Connector, call: Call, prepared: Prepared) -> bool:
        if not connector.prepares:
            return True
        try:
            snapshot = await connector.reread(call, loaded.template, prepared)
        except PlatformRefused as refused:
            if refused.transient:
                raise Denied("hold_running", detail=refused.code) from refused
            await self._give_up(publication, connector, call, f"platform:{refused.code}", refused)
            return False
        if snapshot != prepared.snapshot:
            await self._give_up(publication, connector, call, "altered_on_platform", None)
            return False
        return True

    async def _commit(self, call: Call, connector: Connector, loaded: Loaded, prepared: Prepared, not_after: str) -> Outcome:
        if self.runner.now() >= not_after:
            return Rejected(code="too_late", zh="发送许可已过 30 秒，未发送", en="The licence to send was over; nothing was sent")
        try:
            async with asyncio.timeout(call.deadline + 5):
                return await connector.commit(call, loaded.template, prepared)
        except TimeoutError:
            return Unknown(cause="deadline")
        except Exception as error:  # noqa: BLE001 -- after DISPATCHED nothing may be taken for "not sent"
            log.error("commit raised", action="commit_error", error=type(error).__name__, where=where(error))
            return Unknown(cause=f"error:{type(error).__name__}")

    # ---- step 8

    async def record(self, publication: Publication, outcome: Outcome) -> None:
        """Log an outcome of step 7 or of following up."""
        name, data = outcome_data(outcome)
        await self.runner.system(RecordOutcome(publication=publication.id, outcome=name, data=data))  # type: ignore[arg-type] # one of the six names
        log.info("outcome", action="outcome", publication=publication.id, outcome=name)

    async def compare(
        self, publication: Publication, connector: Connector, call: Call, template: Template, prepared: Prepared, outcome: Outcome,
    ) -> None:
        """Compare what is live with what was approved; a difference is an entry."""
        if not isinstance(outcome, Live) or not connector.prepares:
            return
        try:
            same = await connector.observe(call, template, outcome, prepared)
        except PlatformRefused as refused:
            log.warning("could not compare", action="compare_failed", publication=publication.id, code=refused.code)
            return
        if not same:
            await self.runner.system(RecordDrift(publication=publication.id, observed=None))

    # ---- ends without a send

    async def _give_up(self, publication: Publication, connector: Connector, call: Call, cause: str, refused: PlatformRefused | None) -> None:
        """Abandon an intent that cannot go on, and clear what stands on the platform."""
        handles = dict(publication.handles)
        words = {"zh": refused.zh, "en": refused.en} if refused else {}
        await self.runner.system(Abandon(publication=publication.id, cause=cause, words=words))
        await connector.abandon(call, handles)

    async def _denied(self, publication: Publication, denied: Denied) -> None:
        """Log a refusal of the gate; what cannot pass by itself ends the publication, so that it may be released again."""
        log.warning("refused", action="gate_refused", publication=publication.id, code=denied.code, detail=denied.detail)
        if denied.words.logged:
            content = Digest(publication.content) if publication.content else None
            await self.runner.refused(
                denied, actor=SYSTEM, source="gate", about=publication.id, channel=publication.channel, content=content,
            )
        if denied.code in WAITING or denied.code in {"stopped", "wrong_state", "token_spent"} or self.runner.sealed:
            return
        if publication.state in {PublicationState.HELD, PublicationState.INTENDED, PublicationState.PREPARED}:
            await self.runner.system(Abandon(publication=publication.id, cause=f"refused:{denied.code}"))
            await self.clear(publication)

    async def clear(self, publication: Publication) -> None:
        """Delete what an abandoned preparation left on the platform; best effort."""
        if not publication.handles:
            return
        try:
            async with self.call(publication, purpose=f"clear {publication.jti}") as call:
                await self.connectors[self.runner.state.channels[publication.channel].platform].abandon(call, dict(publication.handles))
        except (Denied, PlatformRefused) as error:
            log.warning("could not clear", action="clear_failed", publication=publication.id, error=str(error))

    def frozen(self, publication: Publication) -> bool:
        """Return whether a freeze covers this publication now."""
        submission = self.runner.state.submissions.get(publication.submission)
        return submission is not None and frozen_by(self.runner.state, submission, publication) is not None


def verify_token(text: bytes, public_key: bytes) -> Claims:
    """Return the claims of a token text whose signature stands; window, audience and scope are the caller's to check.

    Raises:
        Denied: `token_invalid`.
    """
    try:
        envelope = dsse.parse_text(text.decode("ascii"))
        payload = dsse.verify(envelope, public_key=public_key, payload_type=PAYLOAD_TYPE)
        return token_claims.parse(payload)
    except (VaultError, ClaimsInvalid, UnicodeDecodeError) as error:
        raise Denied("token_invalid", detail=str(error)) from error


def outcome_data(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    """Return an outcome's name and the data of its entry."""
    match outcome:
        case Live():
            return "live", {"id": outcome.id, "url": outcome.url}
        case Gone():
            return "gone", {"id": outcome.id}
        case Pending():
            return "pending", {"handle": outcome.handle}
        case Rejected():
            return "rejected", {"code": outcome.code, "zh": outcome.zh, "en": outcome.en}
        case Unknown():
            return "unknown", {"cause": outcome.cause}


def where(error: BaseException) -> str:
    """Return file and line where an error arose, without its message or any value: both could hold a secret."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace is not None else ""


def age_seconds(publication: Publication, now: str) -> float:
    """Return how long ago a publication was dispatched."""
    return instants.seconds_between(publication.dispatched_at, instants.Instant(now))
