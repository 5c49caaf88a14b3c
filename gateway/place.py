"""Where the settings are: one rule for every command, and how a command is spelt that finds the same ones again.

1. `--config FILE` names the file.
2. `--data FOLDER` means `FOLDER/qianfa.toml`: `init` writes it there, or a link to where its `--config` put it.
3. Without either it is the one of `PLACES` that is there. Never the working folder's: root would do what a file says that anybody may have left there.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.config import Settings, SettingsWrong, load

DATA: Final = Path("/var/lib/qianfa")
"""The data folder where none is named."""
FILE: Final = "qianfa.toml"
PLACES: Final = (Path("/etc/qianfa") / FILE, DATA / FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Settings and the file they were read from."""

    settings: Settings
    path: Path

    def command(self, *words: str) -> str:
        """Return the shell line for `qianfa` with these words that finds these settings; `words` are quoted already where they need it."""
        return spelt(self.path, *words)


def find(config: Path | None, data: Path | None) -> Path:
    """Return the settings file that these options mean, there or not.

    Raises:
        SettingsWrong: both were given, or neither, and there are two different files that it could be.
    """
    if config is not None and data is not None:
        raise SettingsWrong("--config 与 --data 只给一个 / give --config or --data, not both")
    if config is not None:
        return config
    if data is not None:
        return data / FILE
    there = [path for path in PLACES if path.exists()]
    if len(there) > 1 and not there[0].samefile(there[1]):
        raise SettingsWrong(f"有两份设置，用 --config 指明一份 / there are two settings files, name one with --config: {there[0]}, {there[1]}")
    return there[0] if there else PLACES[-1]


def read(config: Path | None, data: Path | None) -> Placed:
    """Return the settings that these options mean.

    Raises:
        SettingsWrong: see `find`, or they cannot be read or do not hold together.
    """
    path = find(config, data)
    return Placed(settings=load(path), path=path.resolve())


def link(placed: Placed) -> None:
    """Leave a link to the settings in the data folder, as `init` does, where there is nothing by that name: on a new machine."""
    own = placed.settings.data / FILE
    if not (own.exists() or own.is_symlink()):
        own.symlink_to(placed.path)


def spelt(path: Path, *words: str) -> str:
    """Return the shell line for `qianfa` with these words and the settings at `path`, named only where they would not be found by themselves."""
    beside = Path(sys.executable).with_name("qianfa")
    program = "qianfa" if shutil.which("qianfa") else shlex.quote(str(beside)) if beside.exists() else f"{shlex.quote(sys.executable)} -m gateway"
    try:
        found = find(None, None).samefile(path)
    except (OSError, SettingsWrong):
        found = False
    return " ".join([program, *words, *([] if found else ["--config", shlex.quote(str(path))])])
