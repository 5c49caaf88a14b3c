"""What came in over HTTP and what goes out: decoded by shape, never by a header's word.

WeChat and Weibo both accept bodies with missing or wrong Content-Type headers, so a body is taken as JSON, form
or multipart by what it is. The recorded client requests show all of these variants.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

JSON = dict[str, Any]

SECRET_FIELDS = frozenset({"access_token", "secret", "client_secret", "code", "refresh_token"})
_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_PART_NAME = re.compile(r'[;\s]name="([^"]*)"|[;\s]name=([^;\s]+)')
_PART_FILE = re.compile(r'[;\s]filename="([^"]*)"|[;\s]filename=([^;\s]+)|[;\s]filename\*=([^;\s]+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One file part of a multipart body."""

    filename: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The decoded fields of a form or multipart body; `multipart` says which it was."""

    fields: Mapping[str, str]
    files: Mapping[str, Upload]
    multipart: bool


@dataclass(slots=True, kw_only=True)
class Call:
    """One request as the platform sees it; `who` is filled in once a credential has been recognised."""

    method: str
    path: str
    endpoint: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    remote: str
    now: float
    who: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer: raw bytes, HTTP status, headers, and whether the call changed anything."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    effect: bool = False
    code: int = 0


def json_bytes(value: object) -> bytes:
    """Write a JSON answer as the platforms do: compact, raw UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def whole(value: object, otherwise: int | None = None) -> int | None:
    """Read a whole number that a client may have sent as a number or as decimal digits; None when it is neither."""
    if value is None or value == "":
        return otherwise
    if isinstance(value, str) and value.isdecimal() and len(value) < 20:
        return int(value)
    return value if isinstance(value, int) else None


def json_object(body: bytes) -> JSON | None:
    """Parse a body as one JSON object, or answer None when it is anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def form_of(call: Call) -> Form:
    """Decode a form or multipart body, by the boundary when there is one, else as URL-encoded pairs."""
    boundary = _boundary(call)
    if boundary is not None:
        return _multipart(call.body, boundary)
    try:
        pairs = parse_qsl(call.body.decode(), keep_blank_values=True)
    except UnicodeDecodeError:
        pairs = []
    return Form(fields=dict(pairs), files={}, multipart=False)


def decoded(call: Call) -> JSON:
    """Return all fields of a request without credentials; a file becomes its name, length and SHA-256."""
    fields: JSON = dict(call.query)
    body = json_object(call.body)
    if body is not None:
        fields.update(body)
    else:
        form = form_of(call)
        fields.update(form.fields)
        for name, upload in form.files.items():
            digest = hashlib.sha256(upload.data).hexdigest()
            fields[name] = {"filename": upload.filename, "length": len(upload.data), "sha256": digest}
    return {name: value for name, value in fields.items() if name not in SECRET_FIELDS}


def digest_of(fields: JSON) -> str:
    """Digest decoded fields independently of their order, the encoding and the multipart boundary."""
    canonical = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _boundary(call: Call) -> bytes | None:
    content_type = call.headers.get("Content-Type", "")
    if found := _BOUNDARY.search(content_type):
        declared = found.group(1).strip().encode("utf-8", "surrogateescape")
        if b"--" + declared in call.body:
            return declared
    first = call.body.split(b"\r\n", 1)[0]
    if first.startswith(b"--") and len(first) > 2 and call.body.rstrip().endswith(first + b"--"):
        return first[2:]
    return None


def _multipart(body: bytes, boundary: bytes) -> Form:
    fields: dict[str, str] = {}
    files: dict[str, Upload] = {}
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        if piece.startswith(b"--"):
            break
        head, found, data = piece.partition(b"\r\n\r\n")
        if not found:
            continue
        heads = head.decode("utf-8", "replace")
        name = _first(_PART_NAME, heads)
        filename = _first(_PART_FILE, heads)
        if name is None:
            continue
        if filename is None:
            fields[name] = data.decode("utf-8", "replace")
        else:
            files[name] = Upload(filename=filename, data=data)
    return Form(fields=fields, files=files, multipart=True)


def _first(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    return None if found is None else next((group for group in found.groups() if group is not None), "")
