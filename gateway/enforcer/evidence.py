"""Evidence: which entries concern an id, and the pack a stranger verifies."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from gateway.enforcer.blobs import BlobAltered, BlobMissing, BlobStore
from gateway.enforcer.parts import Parts
from gateway.enforcer.values import Values
from gateway.log import bundle
from gateway.log.bundle import SaltedValue
from gateway.log.checkpoint import KeyChain
from gateway.log.merkle import Tree
from gateway.log.store import StoreReader
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Entry, EntryType, load

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ID: Final = re.compile(r"\b(?:sub|pub|ref|sig|frz|pro|per|ch|unit|apt|tok)_[a-z0-9]+")
_ALWAYS: Final = frozenset({EntryType.DEPLOYMENT_OPENED, EntryType.KEY_ROTATED, EntryType.INCARNATION_OPENED})
_FOLLOWED: Final = ("sub_", "pub_", "sig_", "ref_")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where a pack's parts come from: the log, its verified tree and keys, values, blobs, and the approval key."""

    log: Path
    tree: Tree
    chain: KeyChain
    values: Values
    blobs: BlobStore

    @classmethod
    def of_folder(cls, folder: Path, tree: Tree, chain: KeyChain) -> Sources:
        """Return the sources in an enforcer's data folder."""
        return cls(log=folder / "log.db", tree=tree, chain=chain, values=Values(folder / "values.db"), blobs=BlobStore(folder / "blobs"))


def export(parts: Parts, identifier: str) -> IO[bytes]:
    """Return an open file with the evidence pack about `identifier`: a submission, publication, decision list, refusal, person or change.

    Raises:
        Denied: `not_found` where no entry concerns it.
    """
    runner = parts.runner
    sources = Sources(
        log=runner.parts.store.path, tree=runner.parts.tree, chain=runner.parts.chain, values=parts.values, blobs=runner.blobs,
    )
    target: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- handed to the caller, who closes it
    try:
        write_pack(sources, identifier, target)
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


def write_pack(sources: Sources, identifier: str, target: IO[bytes]) -> None:
    """Write the pack about `identifier` into `target`; see `export`."""
    with StoreReader.open_readonly(sources.log) as store:
        note = store.last_checkpoint()
        if note is None:
            raise Denied("not_found", detail=identifier)
        chosen = _chosen(store, identifier, note.size)
    if not any(entry.type not in _ALWAYS for _, entry in chosen.values()):
        raise Denied("not_found", detail=identifier)
    bundle.export_object(
        target, id=identifier, entries=((seq, body) for seq, (body, _) in sorted(chosen.items())), tree=sources.tree, note=note.note,
        chain=sources.chain, values=_values(sources, chosen), blobs=_blobs(sources, chosen),
        approval_key=base64.b64decode(chosen[0][1].data["keys"]["approval"]),
    )


def _chosen(store: StoreReader, identifier: str, size: int) -> dict[int, tuple[bytes, Entry]]:
    """Return the entries about `identifier`, about the submission and publications it belongs to, and about the people who acted."""
    ids, people = {identifier}, set[str]()
    for _ in range(3):  # id -> submission -> its publications and signings
        before = len(ids)
        for body in store.read(0, size):
            text = body.decode()
            if any(known in text for known in ids):
                entry = load(body)
                if entry.object in ids or _mentions(entry, ids):
                    ids |= {found for found in {entry.object, *_ID.findall(text)} if found.startswith(_FOLLOWED)}
                    people.add(entry.actor)
        if len(ids) == before:
            break
    chosen: dict[int, tuple[bytes, Entry]] = {}
    for seq, body in store.rows(0, size):
        entry = load(body)
        about_person = entry.type in _ABOUT_PEOPLE and (entry.object in people or entry.data.get("person") in people)
        if entry.type in _ALWAYS or entry.object in ids or about_person or _mentions(entry, ids):
            chosen[seq] = (body, entry)
    return chosen


_ABOUT_PEOPLE: Final = frozenset({
    EntryType.PERSON_ADDED, EntryType.APPOINTMENT_MADE, EntryType.APPOINTMENT_ENDED, EntryType.PERSON_SUSPENDED, EntryType.PERSON_RESTORED,
    EntryType.FACTOR_ENROLLED,
})


def _mentions(entry: Entry, ids: set[str]) -> bool:
    return any(value in ids for value in entry.data.values() if isinstance(value, str))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _values(sources: Sources, chosen: dict[int, tuple[bytes, Entry]]) -> list[SaltedValue]:
    found: dict[str, SaltedValue] = {}
    for _, entry in chosen.values():
        for text in _strings(entry.data):
            if _DIGEST.fullmatch(text) and text not in found:
                salted = sources.values.salt_and_text(text)
                if salted is not None:
                    found[text] = SaltedValue(salt=salted[0], value=salted[1])
    return list(found.values())


def _blobs(sources: Sources, chosen: dict[int, tuple[bytes, Entry]]) -> list[bytes]:
    """Return every blob the entries name, and the pictures that the contents among them name."""
    found: dict[str, bytes] = {}
    queue = [text for _, entry in chosen.values() for text in _strings(entry.data) if _DIGEST.fullmatch(text)]
    while queue:
        digest = queue.pop()
        if digest in found or not sources.blobs.has(digest):
            continue
        try:
            data = sources.blobs.get(digest)
        except (BlobMissing, BlobAltered):
            continue
        found[digest] = data
        if data[:1] == b"{":
            queue += _DIGEST.findall(data.decode(errors="replace"))
    return list(found.values())
