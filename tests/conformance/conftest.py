"""Finds the recorded platform traffic, which lives outside the repository; without it this folder is not collected.

`QIANFA_FIXTURES` names the folder (default: `shared/fixtures` beside the repository). With
`QIANFA_REQUIRE_FIXTURES=1` its absence is an error, so that a continuous integration cannot pass on nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

FIXTURES = Path(os.environ.get("QIANFA_FIXTURES") or Path(__file__).parents[2].parent / "shared" / "fixtures")

collect_ignore_glob: list[str] = []
if not FIXTURES.is_dir():
    if os.environ.get("QIANFA_REQUIRE_FIXTURES") == "1":
        raise pytest.UsageError("the recorded platform traffic is required but absent: set QIANFA_FIXTURES")
    collect_ignore_glob = ["test_*.py"]


def _recorded_requests() -> list[dict]:
    """Return the recorded requests of WeChat and Weibo clients."""
    lines = [line for path in sorted((FIXTURES / "wire").glob("*.jsonl")) for line in path.read_text(encoding="utf-8").splitlines()]
    requests = [json.loads(line) for line in lines if line.strip()]
    return [one for one in requests if one["path"].startswith(("/cgi-bin/", "/2/", "/oauth2/"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each recorded request to the tests that ask for one."""
    if "recorded" in metafunc.fixturenames:
        requests = _recorded_requests()
        names = [f"{number}-{one['method']}-{one['path'].split('?')[0].strip('/')}" for number, one in enumerate(requests)]
        metafunc.parametrize("recorded", requests, ids=names)


@pytest.fixture
def recorded_requests() -> list[dict]:
    return _recorded_requests()


@pytest.fixture
def sample():
    """Read a fixture by its path below the folder, without a byte order mark."""
    return lambda name: json.loads((FIXTURES / name).read_text(encoding="utf-8-sig"))
