"""Content and its normal form: the value that is approved, its canonical bytes, and the recogniser of its body (pure)."""

from __future__ import annotations

from gateway.content.manifest import MAX_TITLE, Content, Media, NotContent, Source
from gateway.content.recognise import (
    NotNormal,
    PicturePlace,
    RecognisedBody,
    escape_attribute,
    escape_text,
    recognise,
)

__all__ = [
    "MAX_TITLE",
    "Content",
    "Media",
    "NotContent",
    "NotNormal",
    "PicturePlace",
    "RecognisedBody",
    "Source",
    "escape_attribute",
    "escape_text",
    "recognise",
]
