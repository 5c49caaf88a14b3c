"""Evidence: which entries concern an id, and the pack a stranger verifies."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from typing import IO, Any, Final

from gateway.enforcer.blobs import BlobAltered, BlobMissing
from gateway.enforcer.parts import Parts
from gateway.log import bundle
from gateway.log.bundle import SaltedValue
from gateway.log.store import StoreReader
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Entry, EntryType, load
from vault.errors import Sealed
from vault.seal import KeyName

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_ID: Final = re.compile(r"\b(?:sub|pub|ref|sig|frz|pro|per|ch|unit|apt|tok)_[a-z0-9]+")
_ALWAYS: Final = frozenset({EntryType.DEPLOYMENT_OPENED, EntryType.KEY_ROTATED, EntryType.INCARNATION_OPENED})
_FOLLOWED: Final = ("sub_", "pub_", "sig_", "ref_")


def export(parts: Parts, identifier: str) -> IO[bytes]:
    """Return an open file with the evidence pack about `identifier`: a submission, publication, decision list, refusal, person or change.

    Raises:
        Denied: `not_found` where no entry concerns it.
    """
    with StoreReader.open_readonly(parts.runner.parts.store.path) as store:
        note = store.last_checkpoint()
        if note is None:
            raise Denied("not_found", detail=identifier)
        chosen = _chosen(store, identifier, note.size)
        if not any(entry.type not in _ALWAYS for _, entry in chosen.values()):
            raise Denied("not_found", detail=identifier)
        target: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- handed to the caller, who closes it
        try:
            approval = parts.vault.public_key(KeyName.APPROVAL)
        except Sealed:
            approval = None
        bundle.export_object(
            target, id=identifier, entries=((seq, body) for seq, (body, _) in sorted(chosen.items())), tree=parts.runner.parts.tree,
            note=note.note, chain=parts.runner.parts.chain, values=_values(parts, chosen), blobs=_blobs(parts, chosen), approval_key=approval,
        )
    target.seek(0)
    return target


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


def _values(parts: Parts, chosen: dict[int, tuple[bytes, Entry]]) -> list[SaltedValue]:
    found: dict[str, SaltedValue] = {}
    for _, entry in chosen.values():
        for text in _strings(entry.data):
            if _DIGEST.fullmatch(text) and text not in found:
                salted = parts.values.salt_and_text(text)
                if salted is not None:
                    found[text] = SaltedValue(salt=salted[0], value=salted[1])
    return list(found.values())


def _blobs(parts: Parts, chosen: dict[int, tuple[bytes, Entry]]) -> list[bytes]:
    """Return every blob the entries name, and the pictures that the contents among them name."""
    found: dict[str, bytes] = {}
    queue = [text for _, entry in chosen.values() for text in _strings(entry.data) if _DIGEST.fullmatch(text)]
    while queue:
        digest = queue.pop()
        if digest in found or not parts.runner.blobs.has(digest):
            continue
        try:
            data = parts.runner.blobs.get(digest)
        except (BlobMissing, BlobAltered):
            continue
        found[digest] = data
        if data[:1] == b"{":
            queue += _DIGEST.findall(data.decode(errors="replace"))
    return list(found.values())
