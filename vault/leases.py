"""Leases: the only way a stored secret comes into the open.

1. A lease is a `with` block with a purpose; the secret is wiped when the block ends, however it ends.
2. Sealing the vault ends every open lease: its secret raises `SecretGone` from then on. Wait for calls in flight first.
3. The list of open leases names secret, version and purpose, never the secret.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from vault.errors import SecretRefused
from vault.secretbytes import SecretBytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseInfo:
    """What is on lease, and for what."""

    secret_id: str
    version: int
    purpose: str


class Leases:
    """The leases of one vault; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, tuple[LeaseInfo, SecretBytes]] = {}

    @property
    def current(self) -> tuple[LeaseInfo, ...]:
        """The open leases, oldest first."""
        with self._lock:
            return tuple(info for info, _ in self._open.values())

    def begin(self, info: LeaseInfo, secret: SecretBytes) -> None:
        """Put `secret` on the list; `end` it however its use ends.

        Raises:
            SecretRefused: `no_purpose`; the secret is wiped.
        """
        if not info.purpose.strip():
            secret.wipe()
            raise SecretRefused("no_purpose")
        with self._lock:
            self._open[id(secret)] = (info, secret)

    def end(self, secret: SecretBytes) -> None:
        """Take `secret` from the list and wipe it; a second call does nothing."""
        with self._lock:
            self._open.pop(id(secret), None)
        secret.wipe()

    def end_all(self) -> None:
        """Wipe every secret on lease."""
        with self._lock:
            for _, secret in self._open.values():
                secret.wipe()
            self._open.clear()
