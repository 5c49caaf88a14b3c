"""What the API takes and gives; the OpenAPI document is made from these."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.desk.drafts.form import DraftForm
from gateway.protocol.requests import CommandId, DraftId


class Taken(BaseModel):
    """A request's body: strict, unknown fields refused."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Given(BaseModel):
    """An answer's body."""


class PairBody(Taken):
    """The code shown at the counter, and how this browser shall be called under 我的设备."""

    code: str = Field(min_length=4, max_length=20)
    device_name: str = Field(min_length=1, max_length=80)


class NewDraftBody(DraftForm):
    """A draft with its body as HTML of any kind; `command` makes a repeat give the same draft."""

    command: CommandId
    html: str = Field(default="", max_length=2 << 20)


class CommandBody(Taken):
    """A command on one's own submission."""

    command: CommandId


class DraftBody(Taken):
    """A draft to look at."""

    draft: DraftId


class SubmitBody(Taken):
    """A draft to hand in, in the version that was looked at; `expected` is the submission's `seq` as the author saw it."""

    command: CommandId
    draft: DraftId
    version: int = Field(ge=1, le=1_000_000_000)
    expected: int | None = Field(default=None, ge=0, le=1 << 53)


class Session(Given):
    """A paired device's session."""

    session: str
    person: str
    name: str


class Me(Given):
    """Who the session belongs to."""

    person: str
    name: str
    title: str
    unit: str
    unit_name: str
    offices: list[dict[str, str]]
    lang: str
    state: Literal["ok", "sealed", "unreachable"]


class Channel(Given):
    """A channel that this person may use, and what it can do."""

    id: str
    platform: str
    account: str
    name: str
    unit: str
    level: str
    filing: str
    capabilities: dict[str, bool]
    used: int
    limit: int


class Channels(Given):
    """Channels."""

    channels: list[Channel]


class Draft(Given):
    """A draft after it was kept; `removed` says what normalising took out, `needed` which pictures are missing.

    `content` is the digest that people will sign and `manifest` what it is the digest of (docs/spec/content.md), so that the
    extension counts again for itself; both are null while the draft is no valid content. `kept` is everything else that will be
    handed in, as it was kept: channels, declared facts, time, message.
    """

    draft: str
    version: int
    state: str
    at: str
    removed: list[dict[str, Any]]
    needed: list[dict[str, str]]
    kept: DraftForm
    content: str | None = None
    manifest: dict[str, Any] | None = None


class Picture(Given):
    """A picture in normal form; put `media:<digest>` as its src into the html.

    `data` are its bytes as base64 (at most 1 MiB before encoding), so that the extension sees what will be signed in place of what it sent.
    """

    digest: str
    width: int
    height: int
    notes: list[str]
    data: str


class Look(Given):
    """What would happen: route and people, findings, all obstacles, quotas, blackouts with the earliest time after them and whom to ask; `blocking` counts what must be mended.

    `average_hours` is the mean time from handing in to release in the author's unit over thirty days, null where nothing was released.
    """

    ok: bool
    answered: bool
    blocking: int
    route: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    obstacles: list[dict[str, Any]]
    gaps: list[str]
    quotas: list[dict[str, Any]]
    blackouts: list[dict[str, Any]]
    window_to: str
    average_hours: int | None


class Submitted(Given):
    """The submission that a draft became."""

    submission: str
    number: str
    seq: int


class Note(Given):
    """A note of a return (docs/spec/notes.md): `quote` stands in `field` at `start`; `replace_with` makes it a suggestion."""

    field: str
    start: int
    quote: str
    note: str
    replace_with: str | None


class Told(Given):
    """Somebody who was told."""

    name: str
    office: str


class Nudged(Given):
    """Who was told, and from when on the next nudge of this item may go."""

    sent_to: list[Told]
    next_at: str


class Target(Given):
    """A channel of a submission and what is to be done there; `previous` is the publication that is corrected or taken down."""

    channel: str
    operation: str
    previous: str | None


class Sent(Given):
    """What became of one channel: its newest release of this revision, or of an earlier one where that took effect and stays."""

    id: str
    channel: str
    name: str
    state: str
    url: str
    revision: int


class Submission(Given):
    """A submission as its author sees it.

    `targets`, `facts` (with `found`, the flags that a check set) and `scheduled` are those that stand in the log. `seq` is the last entry about it, to be given as `expected` when the next revision is handed in; `nudge` is the newest nudge.
    """

    id: str
    number: str
    revision: int
    draft: str
    content: str | None
    targets: list[Target]
    facts: dict[str, Any]
    scheduled: str | None
    title: str
    state: str
    made_at: str
    since: str
    window_to: str
    waiting: list[dict[str, Any]]
    returned: dict[str, Any] | None
    notes: list[Note]
    publications: list[Sent]
    seq: int
    nudge: Nudged | None


class Submissions(Given):
    """One's own submissions, newest first; `before` goes on."""

    submissions: list[Submission]
    before: str | None


class Ended(Given):
    """Nothing more to say."""


class Acted(Given):
    """The last entry of what was done."""

    seq: int


class Problem(Given):
    """RFC 9457: what happened, on what basis, what next, whom to ask."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str
    rule: str
    article: str
    next: str
    ask: list[dict[str, Any]]
    missing: list[str]
