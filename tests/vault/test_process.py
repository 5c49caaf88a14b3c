"""Hardening takes effect in a real process."""

import json
import subprocess
import sys

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
