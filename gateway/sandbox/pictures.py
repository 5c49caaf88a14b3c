"""Pictures by their first bytes: the platforms look at the data, not at a name or a header."""

from __future__ import annotations

from typing import Literal

Format = Literal["jpeg", "png", "gif", "bmp"]

CONTENT_TYPES: dict[str, str] = {"jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "bmp": "image/bmp"}


def picture_format(data: bytes) -> Format | None:
    """Recognise JPEG, PNG, GIF and BMP, or answer None."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"BM") and len(data) >= 26:
        return "bmp"
    return None
