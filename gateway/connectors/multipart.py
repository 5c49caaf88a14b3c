"""Form bodies with files (RFC 7578), built as one byte string, so that what is sent has a length and is sent at once."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file of a form: its field, file name (ASCII letters, digits, `.`, `-`, `_`), media type and bytes."""

    field: str
    name: str
    type: str
    data: bytes


def encode(fields: Mapping[str, str], file: File) -> tuple[str, bytes]:
    """Return the content type with a random boundary, and the body."""
    boundary = secrets.token_hex(24)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()
    ]
    named = f'Content-Disposition: form-data; name="{file.field}"; filename="{file.name}"'
    parts += [f"--{boundary}\r\n{named}\r\nContent-Type: {file.type}\r\n\r\n".encode(), file.data, f"\r\n--{boundary}--\r\n".encode()]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)
