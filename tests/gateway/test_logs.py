"""Log lines: one JSON object each, no line breaks from outside, no traceback's values, nothing that looks like a credential."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from gateway.logs import configure


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Configure logging onto a text that the test reads, and put back what was there."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    text = io.StringIO()
    monkeypatch.setattr(sys, "stderr", text)
    configure()
    yield text
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def test_every_line_is_one_object_without_secrets(lines: io.StringIO) -> None:
    """G11, F2: CR and LF are gone, tokens in texts are masked, from structlog and from the standard library alike."""
    structlog.get_logger("x").warning("said", action="test", text='https://h/?access_token=canary1&a=b\r\n{"secret": "canary2"}', number=1)
    logging.getLogger("y").error("password=canary3\nnext")
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert len(found) == 2
    assert found[0]["action"] == "test"
    assert "canary" not in json.dumps(found)


def test_a_traceback_becomes_its_type(lines: io.StringIO) -> None:
    """Values in a traceback could be secrets; only the error's type is written."""
    try:
        int("canary")
    except ValueError:
        logging.getLogger("y").exception("failed")
    (line,) = lines.getvalue().splitlines()
    assert json.loads(line)["error"] == "ValueError"
    assert "canary" not in line
