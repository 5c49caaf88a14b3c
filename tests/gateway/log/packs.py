"""Reading, judging and rebuilding packs, for the tests of the verifier."""

from __future__ import annotations

import io
import zipfile

from gateway.log.bundle import export_range
from gateway.log.verify import verify_pack


def judge(data: bytes, fingerprint: str | None = None):
    return verify_pack(io.BytesIO(data), fingerprint)


def faults(data: bytes) -> list[str]:
    return [fault.en for fault in judge(data).faults]


def rebuilt(data: bytes, change: dict[str, bytes | None], **more) -> bytes:
    """The same pack with members replaced, added, or (None) dropped."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        files = {name: old.read(name) for name in old.namelist()}
    files.update(change)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", **more) as new:
        for name, body in files.items():
            if body is not None:
                new.writestr(name, body)
    return target.getvalue()


def member(data: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        return pack.read(name)


def ranged(told, start: int, **more) -> bytes:
    target = io.BytesIO()
    notes = {row.size: row.note for row in told.log.store.checkpoints()}
    arguments = {
        "id": "all", "bodies": told.bodies[start:], "start": start, "from_note": notes.get(start), "tree": told.log.tree, "note": told.log.copies.newest(),
        "chain": told.log.chain, **more,
    }
    export_range(target, **arguments)
    return target.getvalue()
