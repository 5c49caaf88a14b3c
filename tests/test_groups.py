"""The hook of conftest.py: what is marked for one group runs on one worker, whatever pytest and xdist are installed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_a_group_stays_on_one_worker(tmp_path: Path) -> None:
    """Four grouped tests in two files, four others beside them, two workers: the group's all run on the same one, parametrized or not."""
    (tmp_path / "conftest.py").write_text("from tests.conftest import pytest_collection_modifyitems  # noqa: F401\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for name in ("one", "two"):
        (tmp_path / f"test_{name}.py").write_text(
            "import time, pytest\n"
            "@pytest.mark.xdist_group('stage')\n@pytest.mark.parametrize('given', ['a@b', 'c'])\n"
            "def test_grouped(given): time.sleep(0.1)\n"
            "@pytest.mark.parametrize('given', [1, 2])\ndef test_other(given): time.sleep(0.1)\n")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup", str(tmp_path)], cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    grouped = re.findall(r"\[(gw\d)\].* PASSED \S*test_grouped\[\S+@stage", ran.stdout)
    assert len(grouped) == 4, ran.stdout
    assert len(set(grouped)) == 1, ran.stdout
