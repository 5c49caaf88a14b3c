"""Structured log lines on standard error: one JSON object a line, every line with an `action`, no content and no secrets."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

_SECRET: Final = re.compile(r"(access_token|secret|password|authorization|code|token)(=|\":\s*\"|:\s*)([^&\s\"]+)", re.IGNORECASE)


def scrub(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Mask what looks like a credential in any text of a line; the last net, not the first."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _SECRET.sub(r"\1\2[removed]", value).replace("\r", " ").replace("\n", " ")
    return event


def configure(level: int = logging.INFO) -> None:
    """Set both structlog and the standard library's logging to one JSON line an event on standard error."""
    shared: list[Any] = [structlog.contextvars.merge_contextvars, structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    structlog.configure(
        processors=[*shared, scrub, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(level), logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta, _no_traceback, scrub, structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    ))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def _no_traceback(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace a traceback by the error's type: values in it could be secrets."""
    found = event.pop("exc_info", None)
    if found:
        event["error"] = found[0].__name__ if isinstance(found, tuple) and found[0] else "error"
    return event
