"""Deployments that are founded and staffed once a process, closed, and copied for each test.

What a test gets is its own: files, keys and log are copied before anything is opened, so nothing that one test does is seen by another.
Tests that are about founding or staffing found for themselves.
"""

from __future__ import annotations

import atexit
import copy
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config import Settings, dump
from gateway.connectors.base import Connector
from gateway.enforcer.worker import Worker
from gateway.log.store import RESERVE
from tests.gateway.enforcer.house import House, found_house, open_house, settings_for

RESERVE_NAME = "log.db.reserve"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mould:
    """A closed deployment, and what its maker wants to hand on with every copy."""

    folder: Path
    settings: Settings
    learned: Any

    def cast(self, folder: Path, **over: Any) -> Any:
        """Lay a copy under `folder`, with settings of its own; return a copy of what was learned."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(RESERVE_NAME, "run"))
        self._reserve(folder / "data" / "enforcer" / RESERVE_NAME)
        kept = {name: getattr(self.settings, name) for name in ("deployment", "log_key", "kind", "desk_url", "counter_url")}
        path = folder / "data" / "qianfa.toml"
        path.write_text(dump(settings_for(folder, **{**kept, **over})), encoding="utf-8")
        return copy.deepcopy(self.learned)

    @staticmethod
    def _reserve(path: Path) -> None:
        """Set the reserve aside as founding does; what is made of nothing but room is not copied byte by byte."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.posix_fallocate(handle, 0, RESERVE)
        os.close(handle)


@dataclass(slots=True)
class Moulds:
    """Every mould of this process, by name; their folder goes with the process."""

    made: dict[str, Mould] = field(default_factory=dict)
    place: Path | None = None

    async def get(self, name: str, make: Callable[[Path], Awaitable[tuple[Settings, Any]]]) -> Mould:
        """Return the mould of this name, made by `make` in a folder of its own where there is none yet."""
        if name not in self.made:
            folder = self._place() / f"{len(self.made)}-{name}"
            folder.mkdir()
            settings, learned = await make(folder)
            self.made[name] = Mould(folder=folder, settings=settings, learned=learned)
        return self.made[name]

    def _place(self) -> Path:
        if self.place is None:
            self.place = Path(tempfile.mkdtemp(prefix="qianfa-moulds-"))
            atexit.register(_remove, self.place, os.getpid())
        return self.place


def _remove(place: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(place, ignore_errors=True)


MOULDS = Moulds()


async def lay(
    folder: Path, name: str = "staffed", *, connectors: Mapping[str, Connector] | None = None,
    prepare: Callable[[House], Awaitable[Any]] | None = None, **over: Any,
) -> Any:
    """Lay a closed, staffed deployment under `folder`; `prepare` does once what every copy of this `name` begins with, and its result is returned.

    `over` are settings of the copy that the log does not fix.
    """
    async def make(place: Path) -> tuple[Settings, Any]:
        founded = found_house(place)
        async with open_house(place, connectors or {}, codes=founded.codes) as house:
            await house.staff()
            learned = await prepare(house) if prepare is not None else None
        return founded.settings, learned

    return (await MOULDS.get(name, make)).cast(folder, **over)


_keepers: list[Worker] = []


def keeper() -> Worker:
    """Return the keyless worker that the tests of this process share: its keeper takes half a second to start, and each job is a child of its own."""
    if not _keepers:
        _keepers.append(Worker())
        atexit.register(_keepers[0].close)
    return _keepers[0]
