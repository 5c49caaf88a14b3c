"""The demo as anyone runs it: one command, the whole story, and a clean end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).parents[2]


@pytest.mark.timeout(400)
def test_the_demo_plays_to_its_end(tmp_path: Path) -> None:
    """`qianfa demo --once` exits with 0 and has shown every act of the story."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "demo", "--once", "--data", str(tmp_path / "demo")], cwd=REPO, capture_output=True, text=True,
        timeout=380, check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    for words in (
        "被拦截", "公众号", "微博", "官网", "已发布", "签发后被改动", "条存证完整、未改", "第", "启动时发现", "身份卡",
    ):
        assert words in said, f"{words} was not said:\n{said[-3000:]}"
