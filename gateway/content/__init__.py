"""Content and its normal form: the value that is approved, its canonical bytes, and the recogniser of its body (pure)."""

from __future__ import annotations

from gateway.content.manifest import MAX_TITLE, SOURCE_KINDS, Content, Media, NotContent, Source, status_text
from gateway.content.recognise import (
    NotNormal,
    PicturePlace,
    RecognisedBody,
    escape_attribute,
    escape_text,
    recognise,
)
from gateway.content.text import fault_in_text, is_url

__all__ = [
    "MAX_TITLE",
    "SOURCE_KINDS",
    "Content",
    "Media",
    "NotContent",
    "NotNormal",
    "PicturePlace",
    "RecognisedBody",
    "Source",
    "escape_attribute",
    "escape_text",
    "fault_in_text",
    "is_url",
    "recognise",
    "status_text",
]
