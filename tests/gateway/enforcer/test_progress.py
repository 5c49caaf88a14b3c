"""Progress of a start: said in steps while a large log is verified, and whoever waits for it waits on as long as it comes."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest
import structlog

from gateway import launcher
from gateway.config import PROGRESS
from gateway.enforcer.progress import SAID_FROM, STEP, StartProgress
from gateway.launcher import Launcher, LaunchRefused
from tests.gateway.enforcer.house import found_house


def test_a_large_log_is_said_in_steps(tmp_path: Path) -> None:
    """Each step once, upwards, in a log line and in the file, which goes when all is done; a repeat from the beginning says nothing."""
    file = tmp_path / PROGRESS
    progress = StartProgress(file)
    total, seen = SAID_FROM, []
    with structlog.testing.capture_logs() as lines:
        for done in [*range(0, total, total // 1000), total, 10, total]:
            progress(done, total)
            seen.append(file.read_text())
    assert [line["percent"] for line in lines] == list(range(0, 101, STEP))
    assert [int(text) for text in dict.fromkeys(seen)] == list(range(0, 101, STEP))
    assert {line["action"] for line in lines} == {"verifying"}
    progress.done()
    progress.done()
    assert not file.exists()


def test_a_small_log_says_nothing(tmp_path: Path) -> None:
    """A start that takes a moment needs no words; nor does it need a file."""
    progress = StartProgress(tmp_path / PROGRESS)
    with structlog.testing.capture_logs() as lines:
        progress(0, 0)
        progress(SAID_FROM - 1, SAID_FROM - 1)
        StartProgress()(SAID_FROM, SAID_FROM)
    StartProgress().done()
    assert len(lines) == 1
    assert not (tmp_path / PROGRESS).exists()


class _Clock:
    """A clock that goes on only where somebody sleeps; each sleep is longer than half of the patience, and the process says the next word."""

    def __init__(self, words: list[bytes], folder: Path) -> None:
        self.now, self.words, self.folder = 0.0, words, folder

    def monotonic(self) -> float:
        return self.now

    def sleep(self, _seconds: float) -> None:
        self.now += 35.0
        if self.words:
            (self.folder / PROGRESS).write_bytes(self.words.pop(0))
        elif not self.stuck:
            (self.folder / "pid").write_text("1")

    stuck = False


@pytest.mark.parametrize(("words", "stuck"), [([b"0", b"5", b"90", b"100"], False), ([b"0", b"5"], True), ([b"\xff", b"101", b"-1", b"1e1"], False)])
def test_the_launcher_waits_as_long_as_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[bytes], stuck: bool) -> None:
    """Far beyond its patience it waits for a process that says how far it is, and no longer for one that says nothing new or nonsense."""
    launching = Launcher(found_house(tmp_path).settings)
    launching.isolated = False
    said: list[str] = []
    launching._say = said.append
    child = multiprocessing.get_context("fork").Process(target=_wait_for_ever)
    child.start()
    launching._children["enforcer"] = child
    clock = _Clock([*words], launching._ready("enforcer").parent)
    clock.stuck = stuck
    monkeypatch.setattr(launcher, "time", clock)
    nonsense = words[0] == b"\xff"
    try:
        if stuck or nonsense:
            with pytest.raises(LaunchRefused, match="not ready in 60 s"):
                launching._wait_ready("enforcer", 60.0)
        else:
            launching._wait_ready("enforcer", 60.0)
            assert clock.now > 120
    finally:
        child.kill()
        child.join()
    assert [line.split("：")[1].split("%")[0] for line in said] == ([] if nonsense else [word.decode() for word in words])


def _wait_for_ever() -> None:
    import signal

    signal.pause()
