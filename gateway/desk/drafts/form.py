"""What the author fills in besides the body: parsed once, with limits, unknown fields refused."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway.protocol.requests import At, Id, Sha256

_CONTROL: Final = re.compile("[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]+")
BODY_LIMIT: Final = 2 << 20


def one_line(text: str) -> str:
    """Return `text` as one line in NFC without control characters at all and spaces at the ends."""
    return unicodedata.normalize("NFC", _CONTROL.sub(" ", text)).strip()


def plain(text: str) -> str:
    """Return `text` in NFC without lone surrogates; line breaks stay."""
    return unicodedata.normalize("NFC", re.sub("[\x00\ud800-\udfff]", "", text))


Line = Annotated[str, AfterValidator(one_line)]


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SourceForm(_Form):
    """Where the text comes from (article 15)."""

    kind: Literal["original", "contributed", "reprinted", "compiled"] = "original"
    name: Line = Field(default="", max_length=200)
    url: str = Field(default="", max_length=2000)


class TargetForm(_Form):
    """A channel, and what is to be done there."""

    channel: Id
    operation: Literal["publish", "edit", "withdraw"] = "publish"
    previous: Id | None = None


class FactsForm(_Form):
    """What the author declares (「有则勾选」); `category` is empty until it was chosen."""

    category: Literal["", "company", "news", "culture", "other"] = ""
    sensitive: bool = False
    executives: bool = False
    external_quote: bool = False
    ai_generated: bool = False
    reprinted_pictures: bool = False


class DraftForm(_Form):
    """A draft without its body."""

    title: Line = Field(default="", max_length=400)
    summary: Line = Field(default="", max_length=600)
    author: Line = Field(default="", max_length=200)
    source: SourceForm = SourceForm()
    cover: Sha256 | None = None
    targets: list[TargetForm] = Field(default_factory=list, max_length=20)
    facts: FactsForm = FactsForm()
    scheduled: At | None = None
    message: str = Field(default="", max_length=2000)

    @property
    def withdrawing(self) -> bool:
        """Whether this takes something down, which needs no content."""
        return bool(self.targets) and all(target.operation == "withdraw" for target in self.targets)

    def value(self) -> dict[str, Any]:
        """Return it as the JSON that is kept."""
        return self.model_dump(mode="json")


class SaveForm(DraftForm):
    """One save: the version it was made from, and the body as HTML of any kind."""

    version: int = Field(ge=0, le=1_000_000_000)
    html: str = Field(default="", max_length=BODY_LIMIT)
