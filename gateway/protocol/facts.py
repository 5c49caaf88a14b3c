"""Facts: what is true of a submission and decides its route; declared by the author, added to by checks, never taken away (pure)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Category(StrEnum):
    """Article 12, items (一) to (四)."""

    COMPANY = "company"
    NEWS = "news"
    CULTURE = "culture"
    OTHER = "other"


class Facts(BaseModel):
    """What the author declares and the checks find. Every flag that is set only ever adds a step to the route.

    `found` names the flags that a check set and the author had not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    category: str = Field(pattern="^(company|news|culture|other)$")
    sensitive: bool = False
    executives: bool = False
    external_quote: bool = False
    ai_generated: bool = False
    reprinted_pictures: bool = False
    found: tuple[str, ...] = Field(default=(), max_length=8)

    def value(self) -> dict[str, Any]:
        """Return the facts as they stand in entries and statements."""
        return {
            "category": self.category, "sensitive": self.sensitive, "executives": self.executives,
            "external_quote": self.external_quote, "ai_generated": self.ai_generated,
            "reprinted_pictures": self.reprinted_pictures, "found": list(self.found),
        }
