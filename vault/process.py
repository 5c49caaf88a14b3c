"""Hardening of the process that holds keys: no core dumps, no tracing by others, no swapping where allowed.

Each measure is reported, so that the caller can write down what this machine granted.
"""

from __future__ import annotations

import ctypes
import faulthandler
import resource
from dataclasses import dataclass
from typing import Final

_PR_SET_DUMPABLE: Final = 4  # prctl(2)
_MCL_CURRENT_AND_FUTURE: Final = 3  # mlockall(2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardening:
    """What took effect."""

    core_dumps_off: bool
    undumpable: bool
    memory_locked: bool


def harden(*, lock_memory: bool = True) -> Hardening:
    """Set RLIMIT_CORE to 0 for good, PR_SET_DUMPABLE to 0 (also shuts /proc/pid/mem to our own uid), and lock memory.

    Memory is locked only under an unlimited RLIMIT_MEMLOCK: with a limit, later allocations would fail. Python's fault
    handler is switched off, because its dumps name frames of code that handles secrets. Call it once, after dropping users.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    libc = ctypes.CDLL(None, use_errno=True)
    undumpable = libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    locked = lock_memory and unlimited and libc.mlockall(_MCL_CURRENT_AND_FUTURE) == 0
    return Hardening(core_dumps_off=resource.getrlimit(resource.RLIMIT_CORE) == (0, 0), undumpable=undumpable, memory_locked=locked)
