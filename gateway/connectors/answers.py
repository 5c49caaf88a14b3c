"""Reading a platform's answer: JSON objects and nothing that looks like one (pure)."""

from __future__ import annotations

import json
from typing import Any

from gateway.connectors.base import Rejected, Unknown
from gateway.connectors.transport import Reply


def json_object(reply: Reply) -> dict[str, Any] | None:
    """Return the answer's JSON object, or None where the body is anything else; a byte order mark before it is forgiven."""
    try:
        value = json.loads(reply.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def text_of(value: object) -> str:
    """Return an id as text, whether the platform wrote a string or a whole number; empty for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


NOT_SENT = Rejected(
    code="not_sent",
    zh="没有连上平台，请求一个字节也没有发出，什么都没有公开。请检查网络后由放行人重新放行。",
    en="The platform could not be reached and no byte of the request left; nothing is public. Check the network and release again.",
)

NOT_PREPARED = Rejected(
    code="not_prepared",
    zh="发布准备不完整，什么都没有发送。请由放行人重新放行；若再次出现，请联系系统管理员。",
    en="The preparation is incomplete and nothing was sent. Release again; if this recurs, ask the system administrator.",
)


def lost(cause: object) -> Unknown:
    """Return the outcome of a commit whose answer is missing or unreadable."""
    return Unknown(cause=f"reply_lost:{cause}")
