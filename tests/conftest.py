"""What all tests share: a folder that other users may pass through, and tests of one xdist group on one worker."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from _pytest.nodeid import NodeId


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder that other users may pass through, as pytest's own may not be: what starts as root goes on as two users."""
    made = Path(tempfile.mkdtemp(prefix="qianfa-test-", dir="/var/tmp"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Give each marked test the name with its group that xdist's scheduler looks for.

    xdist 3.8 writes it into `_nodeid`, which pytest 9.2 reads no more (a node's name stands in `_id`), so that `--dist loadgroup` dealt the
    tests of a group out like all others and each worker built the group's stage for itself.
    """
    if not getattr(config.option, "loadgroup", False):  # set in xdist's workers only
        return
    for item in items:
        named = vars(item).get("_nodeid")
        if named is not None:
            item._id = NodeId.parse(named)
        grouped = item.get_closest_marker("xdist_group") is not None
        if grouped and "@" not in item.nodeid.rpartition("]")[2]:
            raise pytest.UsageError(f"{item.nodeid} is marked for a group, and its name does not say so: xdist would deal it out like any other")
