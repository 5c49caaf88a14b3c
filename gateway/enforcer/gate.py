"""The gate: the only way anything reaches a platform. Nine steps, in this order; the code repeats the numbers.

1. Load token, template, content and pictures from the blob store and hash what was loaded. Nothing is rendered again, no digest is taken
   from a caller.
2. Verify the token: strict parse, payload type, signature, audience, epoch, window.
3. Scope: content, template, channel, credential version, operation, previous state; exact equality.
4. `Spend` is decided: route complete, by different people who held office, nothing frozen, filing in force, quota and
   blackout allow, token unspent.
   A route that the table has outgrown is re-routed: the token is void, what is missing is asked for. INTENDED is durable. *Crash here:
   nothing is public; the intent goes on, or is abandoned when its window ends.* An intent that goes on is looked up first: its draft is
   read back by the handles in the log, and one that is gone is a person's to judge. Where nothing is made before the one call, `Spend` is
   decided with `Dispatch` of 6, in one decision and one commit; until then the credential has only read (docs/adr/0022).
5. Lease this channel's credential. Before an edit, what it replaces must still stand as approved. Prepare: uploads, a draft, each handle an
   entry; read back equal, else a person. PREPARED is durable.
6. Re-read: equal to the snapshot. `Dispatch` is decided with every check of 4 that can change; DISPATCHED (not after +30 s) is durable, with
   the checkpoint copy, in the same turn: the only licence to send. *Crash from here to 8: UNKNOWN, never sent again.*
7. The one call that makes it public: once, inside its 30 s, one commit a channel at a time.
8. The outcome is an entry: live, gone, pending, rejected or unknown. What is live is compared with what was approved once more.
9. Pending is followed, unknown is read back (`followup.py`); neither ever sends.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from gateway.canonical import Digest, NotCanonical
from gateway.connectors.base import (
    Call,
    Connector,
    Gone,
    Live,
    Operation,
    Outcome,
    Pending,
    PlatformRefused,
    Prepared,
    ReadBackDiffers,
    Rejected,
    Settled,
    Template,
    Unknown,
)
from gateway.connectors.transport import Transport
from gateway.enforcer.blobs import BlobAltered, BlobMissing
from gateway.enforcer.runner import Runner
from gateway.enforcer.values import Values
from gateway.machine import blackouts
from gateway.machine.freezes import frozen_by
from gateway.machine.state import STOPPABLE, Channel, Publication, PublicationState
from gateway.protocol import claims as token_claims
from gateway.protocol.claims import PAYLOAD_TYPE, Claims, ClaimsInvalid
from gateway.protocol.commands import Abandon, Dispatch, RecordDrift, RecordHandle, RecordOutcome, RecordPrepared, Reroute, Spend
from gateway.protocol.denials import Denied
from gateway.protocol.entries import SYSTEM
from gateway.protocol.instants import Instant
from vault import dsse
from vault.errors import Sealed, SecretGone, VaultError
from vault.seal import KeyName
from vault.store import SealedStore

log = structlog.get_logger("gate")

WAITING = frozenset({
    "frozen", "blackout", "quota_exhausted", "hold_running", "vault_sealed", "clock_behind", "channel_unfiled", "log_unavailable",
})
"""Refusals that may pass by themselves: the publication stays where it is and is tried again."""

CLEARED = frozenset({PublicationState.STOPPED, PublicationState.ABANDONED})
"""Ends after which nothing made for the send may stay on the platform."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Step 1 to 3's result: verified claims, and the template whose bytes they name."""

    claims: Claims
    template: Template


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
        self.transport = transport
        self._channel_turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._told: dict[str, tuple[str, str]] = {}
        self._made: dict[str, dict[str, str]] = {}

    async def send(self, identifier: str) -> None:
        """Take one publication as far as it will go; every end is in the log. Never raises `Denied`."""
        publication = self.runner.state.publications[identifier]
        async with self._channel_turns[publication.channel]:
            try:
                await self._send(publication)
            except Denied as denied:
                await self._denied(publication, denied)

    async def _send(self, publication: Publication) -> None:
        self._check_open(publication)
        loaded = self.load_and_verify(publication)
        connector = self.connectors[loaded.template.platform]
        at_once = publication.state is PublicationState.HELD and not connector.prepares(loaded.template.operation)
        if publication.state is PublicationState.HELD and not at_once:
            await self.runner.system(_spend(publication, loaded.claims))  # 4
        with self.call(publication, purpose=f"send {publication.jti}") as call:  # 5
            if not await self._previous_stands(publication, loaded, connector, call):
                return
            prepared = await self._prepare(publication, loaded, connector, call)
            if prepared is None:
                return
            if not await self._unaltered(publication, loaded, connector, call, prepared):  # 6
                return
            self._check_clock()
            licence = Dispatch(publication=publication.id, credential_version=call.credential_version)
            done = await self.runner.system(_spend(publication, loaded.claims, at_once=True) if at_once else licence)
            not_after = done.entries[-1].data["not_after"]
            outcome = await self._commit(call, connector, loaded, prepared, not_after)  # 7
            await self.record(publication, outcome)  # 8
            await self.compare(publication, connector, call, loaded.template, prepared, outcome)

    def _check_open(self, publication: Publication) -> None:
        """Nothing that was spent, stopped or ended is even loaded; while the clock is behind the log nothing is sent."""
        if publication.state is PublicationState.STOPPED:
            raise Denied("stopped")
        if publication.state not in STOPPABLE:
            raise Denied("token_spent" if publication.jti in self.runner.state.spent else "wrong_state", detail=publication.state.value)
        self._check_clock()

    def _check_clock(self) -> None:
        if self.runner.clock.behind:
            raise Denied("clock_behind")

    # ---- steps 1 to 3

    def load_and_verify(self, publication: Publication) -> Loaded:
        """Do steps 1, 2 and 3 for a publication.

        Raises:
            Denied: `token_invalid`, `token_expired`, `hold_running`, `credential_missing`, `credential_changed`, `connector_changed` or
                `scope_mismatch`.
        """
        blobs, state = self.runner.blobs, self.runner.state
        try:  # 1
            text = blobs.get(publication.token)
            template = Template.parse(blobs.get(publication.template))
            if publication.content is not None:
                blobs.get(publication.content)
            for item in template.media:
                blobs.get(item.digest)
        except (BlobMissing, BlobAltered, NotCanonical) as error:
            raise Denied("scope_mismatch", detail=type(error).__name__) from error
        claims = verify_token(text, self.runner.vault.public_key(KeyName.APPROVAL))  # 2
        if (claims.deployment, claims.kind, claims.epoch) != (state.deployment, state.kind, state.epoch):
            raise Denied("token_invalid", detail="audience or epoch")
        now = self.runner.now()
        if now >= claims.exp:
            raise Denied("token_expired")
        if now < claims.nbf:
            raise Denied("hold_running")
        self._check_scope(claims, publication, template, state.channels[publication.channel])  # 3
        if template.connector not in self.connectors[template.platform].sends:
            raise Denied("connector_changed", detail=template.connector)
        return Loaded(claims=claims, template=template)

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
        if channel.credential is None:
            raise Denied("credential_missing", detail=channel.id, ask=channel.custodians)
        if channel.credential.version != claims.credential:
            raise Denied("credential_changed", detail=channel.id)

    # ---- step 5

    def call(self, publication: Publication, *, purpose: str) -> AbstractContextManager[Call]:
        """Lease the channel's credential for one use and give the call that carries it.

        Raises:
            Denied: `vault_sealed`; `credential_missing`; `scope_mismatch` where the stored row is not the one the log names.
        """
        channel = self.runner.state.channels[publication.channel]
        return self.channel_call(channel, purpose=purpose, rip=self._values.text(publication.rip) or "" if publication.rip else "")

    @contextmanager
    def channel_call(self, channel: Channel, *, purpose: str, rip: str = "") -> Iterator[Call]:
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
                    transport=self.transport, base_url=self.base_url(channel), account=channel.account, settings=channel.settings,
                    credential=msgspec.json.decode(secret.expose()), credential_version=credential.version, now=self.runner.clock.moment, rip=rip,
                )
        except (Sealed, SecretGone) as error:
            raise Denied("vault_sealed", detail=type(error).__name__) from error
        except VaultError as error:
            log.error("a stored credential is not the one the log names", action="credential_altered", channel=channel.id, reason=error.reason)
            raise Denied("scope_mismatch", detail=f"credential {error.reason}") from error

    def base_url(self, channel: Channel) -> str:
        """Return where this channel's platform answers: a constant of the deployment, or the channel's own site."""
        return self._bases.get(channel.platform) or channel.settings.get("site", "")

    async def _previous_stands(self, publication: Publication, loaded: Loaded, connector: Connector, call: Call) -> bool:
        """Ask before an edit whether what it replaces is still shown as it was approved; a difference is an entry and ends the edit."""
        if loaded.template.operation is not Operation.EDIT or publication.previous is None:
            return True
        previous = self.runner.state.publications[publication.previous]
        try:
            template = Template.parse(self.runner.blobs.get(previous.template))
            same = await connector.observe(call, template, Live(id=previous.remote_id, url=previous.url), prepared_of(previous))
        except (BlobMissing, BlobAltered, NotCanonical) as error:
            raise Denied("scope_mismatch", detail=type(error).__name__) from error
        except PlatformRefused as refused:
            await self._refused(publication, connector, call, refused)
            return False
        if not same:
            if not previous.drift:
                await self.runner.system(RecordDrift(publication=previous.id, observed=None))
            raise Denied("previous_changed", detail=previous.id)
        return True

    async def _refused(self, publication: Publication, connector: Connector, call: Call, refused: PlatformRefused) -> None:
        """Wait where the platform's refusal passes by itself, else give up.

        Raises:
            Denied: `hold_running`.
        """
        if refused.transient:
            log.warning("will be tried again", action="platform_retry", publication=publication.id, code=refused.code)
            raise Denied("hold_running", detail=refused.code) from refused
        await self._give_up(publication, connector, call, f"platform:{refused.code}", refused)

    async def _prepare(self, publication: Publication, loaded: Loaded, connector: Connector, call: Call) -> Prepared | None:
        made = dict(publication.handles)

        async def save(name: str, value: str) -> None:
            made[name] = value
            self._made[publication.id] = made  # remembered even where a stop keeps it out of the log, so that it can be cleared
            await self.runner.system(RecordHandle(publication=publication.id, name=name, value=value))

        try:
            prepared = await connector.prepare(call, loaded.template, self.runner.blobs.get, dict(publication.handles), save)
        except PlatformRefused as refused:
            await self._refused(publication, connector, call, refused)
            return None
        except ReadBackDiffers as differs:
            await self._give_up(publication, connector, call, f"readback:{differs.where}", None)
            return None
        if connector.prepares(loaded.template.operation):
            await self.runner.system(RecordPrepared(publication=publication.id, filled=prepared.filled, snapshot=prepared.snapshot))
        return prepared

    # ---- step 6 and 7

    async def _unaltered(self, publication: Publication, loaded: Loaded, connector: Connector, call: Call, prepared: Prepared) -> bool:
        if not connector.prepares(loaded.template.operation):
            return True
        try:
            snapshot = await connector.reread(call, loaded.template, prepared)
        except PlatformRefused as refused:
            await self._refused(publication, connector, call, refused)
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
        """Log an outcome of step 7 or of following up; one that cannot be logged as it came is unknown."""
        name, data = outcome_data(outcome)
        try:
            await self.runner.system(RecordOutcome(publication=publication.id, outcome=name, data=data))  # type: ignore[arg-type] # one of the six names
        except Denied as denied:
            if denied.code != "invalid":
                raise
            log.error("outcome cannot be logged", action="outcome_invalid", publication=publication.id, outcome=name)
            await self.runner.system(RecordOutcome(publication=publication.id, outcome="unknown", data={"cause": f"invalid:{name}"}))
            return
        if name not in {"live", "gone"}:  # the operator's lines name what somebody may have to look at; the log of entries has all
            log.info("outcome", action="outcome", publication=publication.id, outcome=name)

    async def compare(
        self, publication: Publication, connector: Connector, call: Call, template: Template, prepared: Prepared, outcome: Outcome | Settled,
    ) -> None:
        """Compare what is live with what was approved; a difference is an entry."""
        if not isinstance(outcome, Live):
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
        words = {"zh": refused.zh, "en": refused.en} if refused else {}
        await self.runner.system(Abandon(publication=publication.id, cause=cause, words=words))
        await connector.abandon(call, self._handles(publication))

    async def _denied(self, publication: Publication, denied: Denied) -> None:
        """Log a refusal of the gate once; what cannot pass by itself ends the publication, so that it may be released again."""
        log.warning("refused", action="gate_refused", publication=publication.id, code=denied.code, detail=denied.detail)
        told = (denied.code, denied.detail)
        if denied.words.logged and self._told.get(publication.id) != told:
            self._told[publication.id] = told
            content = Digest(publication.content) if publication.content else None
            await self.runner.refused(
                denied, actor=SYSTEM, source="gate", about=publication.id, channel=publication.channel, content=content,
            )
        if denied.code == "rerouted":
            with suppress(Denied):  # it may have been re-routed already
                await self.runner.system(Reroute(submission=publication.submission, asked_by="send"))
        if denied.code in {"stopped", "rerouted"}:
            while publication.state in STOPPABLE and self.runner.tip.publications[publication.id].state not in STOPPABLE:
                await self.runner.wait_change()  # decided, and not durable yet
            await self.clear(publication)
        elif denied.code not in WAITING and publication.state in STOPPABLE and not self.runner.sealed:
            with suppress(Denied):  # a stop may have come first
                await self.runner.system(Abandon(publication=publication.id, cause=f"refused:{denied.code}"))
            await self.clear(publication)

    def _handles(self, publication: Publication) -> dict[str, str]:
        """Return every handle of a publication's preparation, the last one included that came too late for the log."""
        return {**publication.handles, **self._made.pop(publication.id, {})}

    async def clear(self, publication: Publication) -> None:
        """Delete what a preparation that came to nothing left on the platform; best effort."""
        handles = self._handles(publication) if publication.state in CLEARED else {}
        if not handles:
            return
        try:
            with self.call(publication, purpose=f"clear {publication.jti}") as call:
                await self.connectors[self.runner.state.channels[publication.channel].platform].abandon(call, handles)
        except (Denied, PlatformRefused) as error:
            log.warning("could not clear", action="clear_failed", publication=publication.id, error=str(error))

    def held_up(self, publication: Publication, now: Instant) -> bool:
        """Return whether a freeze or a blackout covers this publication now."""
        state = self.runner.state
        submission = state.submissions.get(publication.submission)
        return submission is not None and (
            frozen_by(state, submission, publication) is not None
            or bool(blackouts.covering(state, submission.unit, publication.channel, publication.operation, now))
        )


def _spend(publication: Publication, claims: Claims, *, at_once: bool = False) -> Spend:
    return Spend(
        publication=publication.id, jti=claims.jti, epoch=claims.epoch, operation=claims.operation, channel=claims.channel,
        credential_version=claims.credential, content=Digest(claims.content) if claims.content else None,
        template=Digest(claims.template), previous=publication.previous, at_once=at_once,
    )


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


def prepared_of(publication: Publication) -> Prepared:
    """Return what the log knows of a publication's preparation."""
    return Prepared(handles=dict(publication.handles), filled=Digest(publication.filled), snapshot=Digest(publication.snapshot))


def outcome_data(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    """Return an outcome's name and the data of its entry."""
    match outcome:
        case Live():
            shown = outcome.url.startswith(("https://", "http://"))  # the platform's word, of which pages make a link
            return "live", {"id": outcome.id, "url": outcome.url if shown else ""}
        case Gone():
            return "gone", {"id": outcome.id}
        case Pending():
            return "pending", {"handle": outcome.handle}
        case Rejected():
            return "rejected", {"code": outcome.code, "zh": outcome.zh, "en": outcome.en}
        case _:
            return "unknown", {"cause": outcome.cause}


def where(error: BaseException) -> str:
    """Return file and line where an error arose, without its message or any value: both could hold a secret."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}" if trace is not None else ""

