"""Child processes of the benchmarks: started as modules of this package, spoken to by lines, ended with their standard input."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Child:
    """One running child and the lines to and from it."""

    def __init__(self, module: str, *arguments: str, log: Path | None = None) -> None:
        self._log = log.open("ab") if log is not None else None
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"tests.bench.{module}", *arguments], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, text=True,
        )

    def line(self) -> str:
        """Return its next line.

        Raises:
            RuntimeError: it ended instead.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.process.args} ended with {self.process.wait()}")
        return line.strip()

    def ask(self, order: Any) -> Any:
        """Send one JSON line and return the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def end(self) -> None:
        """Close its input and wait for it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            if self._log is not None:
                self._log.close()


@contextmanager
def child(module: str, *arguments: str, log: Path | None = None) -> Iterator[Child]:
    """Run a module of this package for the length of the block."""
    running = Child(module, *arguments, log=log)
    try:
        yield running
    finally:
        running.end()
