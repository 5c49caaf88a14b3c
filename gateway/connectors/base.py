"""What the gate asks of a platform, and the values that pass between them.

1. `render` is pure: content and channel give a `Template`, the bytes people approve; slots stand for what a platform assigns.
2. `prepare` may be repeated: uploads, a draft, a read-back. It reports each handle it creates before it goes on.
3. `commit` is the one call that makes something public; it is made once and never retried.
4. `follow`, `reconcile`, `observe` only read. `abandon` deletes what `prepare` left behind.

A connector sees a credential only inside a `Call`, which the gate opens for one approval token and closes at its end.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from gateway import canonical
from gateway.canonical import Digest, NotCanonical
from gateway.protocol.platforms import PLATFORMS

if TYPE_CHECKING:
    from gateway.connectors.transport import Transport
    from gateway.content import Content

TEMPLATE_LIMIT: Final = 1 << 20


class Operation(StrEnum):
    """What is done to the public face of a channel; a token covers exactly one."""

    PUBLISH = "publish"
    EDIT = "edit"
    WITHDRAW = "withdraw"


def offered(platform: str) -> frozenset[Operation]:
    """Return the operations of a platform as `protocol.platforms` has them."""
    return frozenset(Operation(name) for name in PLATFORMS[platform].operations)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A place in a template that the platform fills on upload: the picture `digest` in the part `role`."""

    role: str
    digest: Digest


Segment = str | Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRef:
    """One picture that a template needs: its role (`cover`, `body`), media type, length in bytes and digest."""

    role: str
    type: str
    length: int
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Previous:
    """What is live now and is edited or withdrawn: the platform's id, its address, and the digest of the live template."""

    id: str
    url: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The exact outward form of one operation on one channel, with slots where a platform assigns values.

    `fields` holds every governed field by its platform name, as segments; a field that is not there is not sent.
    """

    platform: str
    connector: str
    operation: Operation
    account: str
    fields: Mapping[str, tuple[Segment, ...]]
    media: tuple[MediaRef, ...] = ()
    previous: Previous | None = None

    def to_bytes(self) -> bytes:
        """Return the canonical bytes, the ones whose digest people sign."""
        return canonical.encode(self.value())

    def digest(self) -> Digest:
        """Return the digest of `to_bytes`."""
        return canonical.sha256(self.to_bytes())

    def slots(self) -> tuple[Slot, ...]:
        """Return the distinct slots in the order of fields (sorted by name) and segments."""
        seen: dict[Slot, None] = {}
        for name in sorted(self.fields):
            seen.update((segment, None) for segment in self.fields[name] if isinstance(segment, Slot))
        return tuple(seen)

    def fill(self, values: Mapping[Slot, str]) -> dict[str, str]:
        """Return each field as text with every slot replaced.

        Raises:
            KeyError: a slot has no value in `values`.
        """
        return {
            name: "".join(values[segment] if isinstance(segment, Slot) else segment for segment in segments)
            for name, segments in self.fields.items()
        }

    def value(self) -> dict[str, Any]:
        """Return the JSON value whose canonical bytes `to_bytes` gives."""
        previous = self.previous
        return {
            "v": 1,
            "platform": self.platform,
            "connector": self.connector,
            "operation": self.operation.value,
            "account": self.account,
            "fields": {name: [_segment_value(segment) for segment in segments] for name, segments in self.fields.items()},
            "media": [{"role": m.role, "type": m.type, "length": m.length, "sha256": m.digest} for m in self.media],
            "previous": {"id": previous.id, "url": previous.url, "digest": previous.digest} if previous else None,
        }

    @classmethod
    def parse(cls, data: bytes) -> Template:
        """Return the template whose canonical bytes are exactly `data`.

        Raises:
            NotCanonical: the bytes are not canonical or not a template of version 1.
        """
        if len(data) > TEMPLATE_LIMIT:
            raise NotCanonical("too long")
        try:
            wire = _read(data)
            template = cls(
                platform=wire.platform, connector=wire.connector, operation=Operation(wire.operation), account=wire.account,
                fields={name: tuple(map(_segment, items)) for name, items in wire.fields.items()},
                media=tuple(MediaRef(role=m.role, type=m.type, length=m.length, digest=canonical.parse_digest(m.sha256)) for m in wire.media),
                previous=None if wire.previous is None else Previous(
                    id=wire.previous.id, url=wire.previous.url, digest=canonical.parse_digest(wire.previous.digest),
                ),
            )
        except (msgspec.DecodeError, KeyError, ValueError, RecursionError) as error:
            raise NotCanonical("not a template") from error
        # What is left out of the wire form, spelt otherwise or said twice does not come back; what it leaves open is asked one by one.
        ours = wire.v == 1 and all(map(str.isascii, wire.fields)) and all(0 <= item.length <= canonical.MAX_INTEGER for item in wire.media)
        if not ours or canonical.encode_trusted(wire) != data:
            raise NotCanonical("not a template")
        return template


class _WireMedia(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: str
    type: str
    length: int
    sha256: str


class _WirePrevious(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: str
    url: str
    digest: str


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    """A template as it is stored and signed, member by member."""

    v: int
    platform: str
    connector: str
    operation: str
    account: str
    fields: dict[str, list[dict[str, str]]]
    media: list[_WireMedia]
    previous: _WirePrevious | None


_read: Final = msgspec.json.Decoder(_Wire).decode


def _segment_value(segment: Segment) -> dict[str, str]:
    return {"slot": segment.role, "sha256": segment.digest} if isinstance(segment, Slot) else {"text": segment}


def _segment(item: dict[str, str]) -> Segment:
    """Read one segment; a member that neither form has is a `ValueError`."""
    if len(item) == 1:
        return item["text"]
    if len(item) != 2:
        raise ValueError("not a segment")
    return Slot(role=item["slot"], digest=canonical.parse_digest(item["sha256"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """What rendering needs to know of a channel; every value comes from the log.

    `settings` are the platform's own, listed in each connector's docstring: `safe_domains` for Weibo, `site` for WordPress …
    """

    channel: str
    platform: str
    account: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Everything one step of one send may use; the credential lives only as long as the call.

    `rip` is the releaser's address (Weibo asks for it); `deadline` is in seconds for each request.
    """

    transport: Transport
    base_url: str
    account: str
    settings: Mapping[str, str]
    credential: Mapping[str, str]
    credential_version: int
    now: Callable[[], datetime]
    rip: str = ""
    deadline: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What `prepare` made: handles by name, the digest of the filled fields and of what the platform gave back on reading."""

    handles: Mapping[str, str]
    filled: Digest
    snapshot: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The platform shows it: its id there and its public address."""

    id: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A withdrawal took effect: the platform no longer shows it."""

    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The platform accepted the task and will decide later; `handle` asks for the result."""

    handle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The platform said no, definitely: nothing is public. Texts are plain words for people."""

    code: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Nobody can say from here whether it is public; it is read back, never sent again. `cause` is a short code."""

    cause: str


Outcome = Live | Gone | Pending | Rejected | Unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Reading back proved that nothing became public."""

    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """Reading back could not decide. `again_after` seconds from now it may; None means that only people can settle it."""

    reason: str
    again_after: float | None


Settled = Live | Gone | Absent | Undecided


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    """One field of a channel's credential at the intake: its key, labels, and whether it is hidden while typed."""

    key: str
    zh: str
    en: str
    secret: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeStep:
    """One line of a credential's trial: what was tried, whether it worked, and in plain words what to do otherwise."""

    name: str
    ok: bool
    zh: str
    en: str


class PlatformRefused(Exception):
    """The platform refused before anything was public (during preparation or reading): code and plain words.

    `transient` says that the same step may be tried later (busy, quota, network); otherwise people must act.
    """

    def __init__(self, code: str, zh: str, en: str, *, transient: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.zh = zh
        self.en = en
        self.transient = transient


class ReadBackDiffers(Exception):
    """What the platform gave back is not what was approved; `where` names the field. A person must look."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


LoadMedia = Callable[[Digest], bytes]
"""Returns the stored bytes of a picture, re-hashed on loading."""

SaveHandle = Callable[[str, str], Awaitable[None]]
"""Records a handle that the platform has just assigned, so that a retry or an abandon can find it."""


class Connector(Protocol):
    """One platform. Implementations hold no per-send state; what they cache costs only a repeat when lost."""

    @property
    def platform(self) -> str:
        """The platform's name in channels and templates."""

    @property
    def version(self) -> str:
        """The connector's name and version, which templates carry: a new one wherever a template would go out otherwise than before."""

    @property
    def sends(self) -> frozenset[str]:
        """The versions whose templates this connector sends exactly as those did: its own, and earlier ones of the same meaning."""

    def prepares(self, operation: Operation) -> bool:
        """Return whether anything is made, or pinned by reading, on the platform before the commit of such an operation.

        Where not, `prepare` only reads, its handles stay empty, and `reread` is not asked; no entry is made between the token's being spent and
        the licence to send.
        """

    @property
    def operations(self) -> frozenset[Operation]:
        """What the platform offers."""

    @property
    def credential_fields(self) -> tuple[CredentialField, ...]:
        """The fields asked for at the intake."""

    def render(self, content: Content | None, channel: ChannelFacts, operation: Operation, previous: Previous | None) -> Template:
        """Return the template for `operation`; pure. `content` is None exactly for a withdrawal.

        Raises:
            PlatformRefused: the platform can never take this (operation not offered, too long, missing picture).
            NotContent: `content` breaks a rule of its format, as a draft may.
        """

    async def prepare(self, call: Call, template: Template, load: LoadMedia, handles: Mapping[str, str],
                      save: SaveHandle) -> Prepared:
        """Upload, draft and read back, reusing `handles` of an earlier attempt; nothing becomes public.

        Raises:
            PlatformRefused: the platform said no or could not be reached.
            ReadBackDiffers: what came back is not the template under the connector's normaliser.
        """

    async def reread(self, call: Call, template: Template, prepared: Prepared) -> Digest:
        """Return the snapshot digest of what would become public now; equal to `prepared.snapshot` unless somebody altered it.

        Raises:
            PlatformRefused: the platform could not be read.
        """

    async def commit(self, call: Call, template: Template, prepared: Prepared) -> Outcome:
        """Make the one call that makes it public (or withdraws it), in the process that prepared it.

        Never raises for what the network or the platform does, nor for a preparation that lacks a handle (`Rejected`). Only a failure before any request byte left, or a definite refusal, is `Rejected`; everything unclear is `Unknown`.
        """

    async def follow(self, call: Call, handle: str) -> Outcome:
        """Ask once for the result of a pending task: `Live`, `Gone`, `Rejected`, or `Pending` again, also where asking failed.

        `Unknown` means that the platform answered something that says neither; reconciling is next.
        """

    async def reconcile(self, call: Call, template: Template, prepared: Prepared, dispatched_at: datetime) -> Settled:
        """Find out by reading whether a send of unknown outcome became public.

        Never raises for what the platform does, nor for handles that are missing (a send of an earlier incarnation): `Undecided`, and
        without a time to ask again where only people can look.
        """

    async def observe(self, call: Call, template: Template, live: Live, prepared: Prepared) -> bool:
        """Return whether the platform still shows what was approved, under the connector's normaliser; False where it is gone.

        Before an edit the gate asks this of the previous publication, with its template and handles.

        Raises:
            PlatformRefused: the platform could not be read, or a handle to compare with is missing; neither says anything about what it shows.
        """

    async def abandon(self, call: Call, handles: Mapping[str, str]) -> None:
        """Delete what an abandoned preparation left on the platform; best effort, never raises for platform refusals."""

    def parse_credential(self, form: Mapping[str, str]) -> bytes:
        """Return the credential as canonical bytes for the vault.

        Raises:
            ValueError: a field is missing or malformed; the message is a field key.
        """

    async def probe(self, call: Call) -> list[ProbeStep]:
        """Try a credential without publishing anything: token, allow-list, a draft made and deleted."""
