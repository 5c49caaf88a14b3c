"""Where a sandbox keeps its state: in memory, or in a folder as one JSON file and content-addressed blobs."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any


class Storage:
    """Keeps blobs by SHA-256 and one snapshot of state.

    Without a folder everything lives in memory. With one, `save` writes the snapshot atomically and `load`
    reads it back; classes that may appear in a snapshot are named by `classes`.
    """

    def __init__(self, folder: Path | None, *, classes: tuple[type, ...]) -> None:
        self._folder = folder
        self._classes = {cls.__name__: cls for cls in classes}
        self._blobs: dict[str, bytes] = {}
        if folder is not None:
            (folder / "blobs").mkdir(parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Keep `data` and answer its SHA-256 as hex."""
        name = hashlib.sha256(data).hexdigest()
        if self._folder is None:
            self._blobs[name] = data
        elif not (path := self._folder / "blobs" / name).exists():
            path.write_bytes(data)
        return name

    def get(self, name: str) -> bytes:
        """Return the blob of that SHA-256; KeyError when there is none."""
        if self._folder is None:
            return self._blobs[name]
        path = self._folder / "blobs" / name
        if not path.exists():
            raise KeyError(name)
        return path.read_bytes()

    def save(self, state: object) -> None:
        """Write the snapshot, when there is a folder to write to."""
        if self._folder is None:
            return
        fresh = self._folder / "state.json.new"
        fresh.write_text(json.dumps(_pack(state), ensure_ascii=False), encoding="utf-8")
        fresh.replace(self._folder / "state.json")

    def load(self) -> Any | None:
        """Read the snapshot back, or answer None when there is none."""
        if self._folder is None or not (path := self._folder / "state.json").exists():
            return None
        return self._unpack(json.loads(path.read_text(encoding="utf-8")))

    def _unpack(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._unpack(item) for item in value]
        if not isinstance(value, dict):
            return value
        if "@map" in value:
            return {self._unpack(key): self._unpack(item) for key, item in value["@map"]}
        cls = self._classes[value["@class"]]
        return cls(**{name: self._unpack(item) for name, item in value["@fields"].items()})


def _pack(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        packed = {item.name: _pack(getattr(value, item.name)) for item in fields(value)}
        return {"@class": type(value).__name__, "@fields": packed}
    if isinstance(value, dict):
        return {"@map": [[_pack(key), _pack(item)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [_pack(item) for item in value]
    return value
