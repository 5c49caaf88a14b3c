"""The watchdog: a loop that stands still ends the process with the status that starts it again; one that is only slow, or was stopped, does not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from gateway.enforcer.app import EXIT_LOG
from gateway.enforcer.watchdog import Watchdog

HANGS = """
import asyncio, sys, time
from gateway.enforcer.watchdog import Watchdog, leave_with

async def main():
    Watchdog(leave_with(75, "hung"), interval=0.05, patience=int(sys.argv[1]))
    await asyncio.sleep(0.2)
    print("began", flush=True)
    if sys.argv[2] == "hang":
        time.sleep(600)
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
"""


def start(patience: int, what: str) -> subprocess.Popen[str]:
    """Run a loop under a watchdog in a process of its own, and return it once the loop runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", HANGS, str(patience), what], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[3])
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    return process


def test_a_loop_that_stands_still_ends_the_process() -> None:
    """Its one thread hangs in a call: the process leaves by itself with the restart status and a word, whatever still hangs."""
    with start(10, "hang") as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == EXIT_LOG
    assert said.strip().endswith("hung")


def test_a_process_that_was_stopped_for_long_goes_on() -> None:
    """SIGSTOP for many times the patience, then SIGCONT: missed signs are counted, not seconds, so nothing ends."""
    with start(60, "wait") as process:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        threading.Event().wait(4)
        os.kill(process.pid, signal.SIGCONT)
        out, said = process.communicate("done\n", timeout=60)
    assert (process.returncode, out, said) == (0, "", "")


async def test_a_watchdog_that_was_closed_watches_no_more() -> None:
    """After an orderly end nothing is asked of a loop that is gone."""
    left: list[bool] = []
    watchdog = Watchdog(lambda: left.append(True), interval=0.01, patience=1000)
    await asyncio.sleep(0.05)
    watchdog.close()
    watchdog.close()
    assert not left
    assert not watchdog._thread.is_alive()
