"""Requests: what the desk asks over the command socket, parsed once at the door (pure). Who asks is never part of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.protocol.facts import Facts

Id = Annotated[str, Field(pattern=r"^[a-z]{2,4}_[a-z0-9]{6,40}$")]
CommandId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
DraftId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Sha256 = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
At = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TargetRequest(_Request):
    """One channel, what is to be done there, and for an edit or withdrawal the live publication's id."""

    channel: Id
    operation: Literal["publish", "edit", "withdraw"]
    previous: Id | None = None


class PreflightRequest(_Request):
    """What a submission would be; nothing is kept."""

    targets: list[TargetRequest] = Field(min_length=1, max_length=20)
    content: Sha256 | None
    facts: Facts
    scheduled: At | None = None
    submission: Id | None = None


class SubmitRequest(PreflightRequest):
    """Hand a revision in; `content` was put as a blob before, with its pictures."""

    command: CommandId
    draft: DraftId
    expected: int | None = None
    source: Literal["desk", "extension", "api"]
    message: str | None = Field(default=None, max_length=2000)


class SubmissionRequest(_Request):
    """Recall, cancel or renew a submission of one's own."""

    command: CommandId
    submission: Id


class RedeemRequest(_Request):
    """Exchange the counter's one-time code for a desk session (PKCE, RFC 7636)."""

    code: str = Field(min_length=20, max_length=200)
    verifier: str = Field(min_length=43, max_length=128)


class PairRequest(_Request):
    """Exchange a pairing code shown at the counter for a device session."""

    code: str = Field(min_length=4, max_length=20)
    device_name: str = Field(min_length=1, max_length=80)


class ExportRequest(_Request):
    """Ask for the evidence pack about one id."""

    id: Id
