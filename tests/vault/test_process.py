"""Hardening takes effect in a real process, and what the kernel refuses is reported."""

import ctypes
import faulthandler
import json
import resource
import subprocess
import sys

import pytest

from vault import process

PROGRAM = """
import faulthandler, json, os, resource, sys
faulthandler.enable()
if sys.argv[1] == "limited":
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
elif sys.argv[1] == "unlimited":
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
from vault.process import harden
from dataclasses import asdict
state = asdict(harden(lock_memory=sys.argv[1] != "off"))
state["core"] = list(resource.getrlimit(resource.RLIMIT_CORE))
state["faulthandler"] = faulthandler.is_enabled()
state["locked_kib"] = int(next(l.split()[1] for l in open("/proc/self/status") if l.startswith("VmLck")))
import ctypes
state["dumpable"] = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
json.dump(state, sys.stdout)
"""


def run(mode: str) -> dict:
    done = subprocess.run([sys.executable, "-c", PROGRAM, mode], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_core_dumps_tracing_and_fault_handler_are_off():
    """RLIMIT_CORE is 0, the process is undumpable, and the fault handler is disabled."""
    state = run("off")
    assert state["core"] == [0, 0]
    assert state["dumpable"] == 0
    assert state["core_dumps_off"]
    assert state["undumpable"]
    assert not state["faulthandler"]
    assert not state["memory_locked"]


def test_memory_is_locked_only_where_that_cannot_break_allocations():
    """With a limit nothing is locked; what is reported agrees with the kernel's count."""
    assert run("limited")["memory_locked"] is False
    state = run("as_it_is")
    assert state["memory_locked"] == (state["locked_kib"] > 0)


class Kernel:
    """Stands in for libc, so that the test process itself stays as it is."""

    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.calls: list[str] = []

    def prctl(self, *arguments: int) -> int:
        self.calls.append("prctl")
        assert arguments == (4, 0, 0, 0, 0)
        return self.answer

    def mlockall(self, flags: int) -> int:
        self.calls.append("mlockall")
        assert flags == 3
        return self.answer


@pytest.mark.parametrize(("answer", "limit"), [(0, resource.RLIM_INFINITY), (-1, resource.RLIM_INFINITY), (0, 65536)])
def test_what_the_kernel_refuses_is_reported(monkeypatch, answer, limit):
    """A refused prctl or mlockall is False in the report; with a memory limit mlockall is not even asked."""
    kernel = Kernel(answer)
    limits = {resource.RLIMIT_CORE: (-1, -1), resource.RLIMIT_MEMLOCK: (limit, limit)}
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: kernel)
    monkeypatch.setattr(resource, "setrlimit", limits.__setitem__)
    monkeypatch.setattr(resource, "getrlimit", limits.__getitem__)
    monkeypatch.setattr(faulthandler, "disable", lambda: None)
    assert process.harden() == process.Hardening(
        core_dumps_off=True, undumpable=answer == 0, memory_locked=answer == 0 and limit == resource.RLIM_INFINITY
    )
    assert kernel.calls == (["prctl", "mlockall"] if limit == resource.RLIM_INFINITY else ["prctl"])
