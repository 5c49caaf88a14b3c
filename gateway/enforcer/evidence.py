"""Evidence: which entries concern an id, and the pack a stranger verifies."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import IO, Any, Final

from gateway.enforcer.blobs import BlobAltered, BlobMissing, BlobStore
from gateway.enforcer.parts import Parts
from gateway.enforcer.values import Values
from gateway.log import bundle
from gateway.log.bundle import SaltedValue
from gateway.log.checkpoint import KeyChain, rotation_in
from gateway.log.merkle import Tree
from gateway.log.store import StoredCheckpoint, StoreReader
from gateway.machine.state import Office, State
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Entry, EntryType, load
from gateway.protocol.instants import Instant

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
READERS: Final = frozenset({Office.LEADER, Office.BRAND_PR, Office.BRAND_PR_HEAD, Office.AUDITOR, Office.FOUNDER})
"""Offices whose holders may read about anything."""
_ALWAYS: Final = frozenset({EntryType.DEPLOYMENT_OPENED, EntryType.KEY_ROTATED, EntryType.INCARNATION_OPENED})


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


Allowed = Callable[[Iterable[Entry]], bool]
"""Whether a pack with these entries may be handed out."""


def everybody(_entries: Iterable[Entry]) -> bool:
    """Allow it: who asks may read the log's file itself."""
    return True


def export(parts: Parts, identifier: str, allowed: Allowed = everybody) -> IO[bytes]:
    """Return an open file with the evidence pack about `identifier`: a submission, publication, decision list, refusal, person or change.

    Raises:
        Denied: `not_found` where no entry concerns it; `not_reader` where it is not `allowed`, see `reader`.
    """
    runner = parts.runner
    sources = Sources(
        log=runner.parts.store.path, tree=runner.parts.tree, chain=runner.parts.chain, values=parts.values, blobs=runner.blobs,
    )
    target: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- handed to the caller, who closes it
    try:
        write_pack(sources, identifier, target, allowed)
    except BaseException:
        target.close()
        raise
    target.seek(0)
    return target


def reader(state: State, person: str, at: Instant) -> Allowed:
    """Return what a person may have, with its names and comments; called where nothing changes the state, and asked anywhere.

    Leaders, brand & PR, auditors and founders may have any pack; who acted in it; the submission's unit and the heads above it; operators and
    custodians of a channel in it. Nobody else, and nobody who is suspended. See `_acts` for what is no part in a matter.
    """
    held = state.offices_of(person, at)
    known = state.people.get(person)
    unit = known.unit if known is not None and not known.suspended else None
    heads = [one.scope for one in held if one.office == Office.UNIT_HEAD]
    channels = {one.scope for one in held if one.office in {Office.OPERATOR, Office.CUSTODIAN}}

    def has_part(entry: Entry) -> bool:
        if entry.actor == person or entry.data.get("channel") in channels:
            return True
        if entry.type != EntryType.SUBMISSION_MADE:
            return False
        about = entry.data["unit"]
        return (
            about == unit or any(state.inside(about, head) for head in heads)
            or any(target["channel"] in channels for target in entry.data["targets"])
        )

    def allowed(entries: Iterable[Entry]) -> bool:
        if unit is None:
            return False
        return any(one.office in READERS for one in held) or any(has_part(entry) for entry in _acts(list(entries)))

    return allowed


def _acts(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Yield the entries by which somebody has a part in the matter.

    In a submission's story nobody becomes a reader by what anybody may do: by a try that was refused, by asking to take down what is
    public, or by having appointed somebody who acts in it.
    """
    minted = {entry.object for entry in entries if entry.type == EntryType.TOKEN_MINTED}
    made = [entry for entry in entries if entry.type == EntryType.SUBMISSION_MADE]
    after = {entry.object for entry in made if any(target["previous"] in minted for target in entry.data["targets"])}
    for entry in entries:
        asked = entry.object in after and entry.type != EntryType.DECISION_MADE
        if entry.type not in _ALWAYS and not (made and (asked or entry.type in _NO_PART)):
            yield entry


def write_pack(sources: Sources, identifier: str, target: IO[bytes], allowed: Allowed = everybody) -> None:
    """Write the pack about `identifier` into `target`, where it is `allowed` to have these entries; see `export`."""
    with StoreReader.open_readonly(sources.log) as store:
        note = store.last_checkpoint()
        if note is None:
            raise Denied("not_found", detail=identifier)
        chosen = _chosen(store, identifier, note.size)
    found = [entry for _, entry in chosen.values() if identifier in {entry.object, entry.data.get("jti")}]  # not a word such as an office's
    if not found or all(entry.type in _ALWAYS for _, entry in chosen.values()):
        raise Denied("not_found", detail=identifier)
    if not allowed(entry for _, entry in chosen.values()):
        raise Denied("not_reader", detail=identifier)
    bundle.export_object(
        target, id=identifier, entries=((seq, body) for seq, (body, _) in sorted(chosen.items())), tree=sources.tree, note=note.note,
        chain=sources.chain, values=_values(sources, chosen), blobs=_blobs(sources, chosen),
        approval_key=base64.b64decode(chosen[0][1].data["keys"]["approval"]),
    )


@dataclass(slots=True)
class _Subject:
    """What a pack is about: the ids found so far whose entries belong into it, and these entries."""

    ids: set[str]
    submissions: set[str]
    publications: set[str] = field(default_factory=set)
    signings: set[str] = field(default_factory=set)
    chosen: dict[int, tuple[bytes, Entry]] = field(default_factory=dict)

    def take(self, seq: int, body: bytes, entry: Entry) -> None:
        """Keep an entry and learn from it what belongs to the same matter; called in the order of the log."""
        self.chosen[seq] = (body, entry)
        if entry.type == EntryType.SUBMISSION_MADE:
            self.submissions.add(entry.object)
        elif entry.type == EntryType.TOKEN_MINTED:
            self.publications.add(entry.object)
        if entry.type in _OPENING:
            self.ids.add(entry.object)
        signing = entry.data.get("signing")
        if isinstance(signing, str):
            self.signings.add(signing)

    def concerns(self, entry: Entry) -> bool:
        """Return whether an entry belongs into the pack, signings and people aside."""
        if entry.type == EntryType.TOKEN_MINTED:
            return entry.data["submission"] in self.submissions
        if entry.type == EntryType.SUBMISSION_MADE:
            return entry.object in self.submissions or self._withdraws(entry)
        if entry.type == EntryType.SIGNING_MADE:
            return False
        return entry.object in self.ids or _mentions(entry, self.ids)

    def _withdraws(self, entry: Entry) -> bool:
        """Whether a submission takes down what this pack shows as live: that is part of its story, and has no content of its own."""
        return entry.data["content"] is None and any(target["previous"] in self.publications for target in entry.data["targets"])


def write_range(sources: Sources, first: int, last: int | None, target: IO[bytes]) -> tuple[int, int]:
    """Write the pack that holds *every* entry from `first` to `last` (None: the newest), and return the numbers it really begins and ends with.

    A range lies between two signed checkpoints, so it begins at the nearest one before and ends at the nearest one after. It holds the
    entries alone, no contents and no names: what it is for is to show that nothing was left out.

    Raises:
        Denied: `not_found` where the log has no such entries.
    """
    with StoreReader.open_readonly(sources.log) as store:
        newest = store.last_checkpoint()
        last = last if last is not None or newest is None else newest.size - 1
        end = next(store.checkpoints(last), None) if last is not None and 0 <= first <= last else None
        if end is None:
            raise Denied("not_found", detail=f"{first}–{last}")
        begin = _checkpoint_before(store, first)
        start = begin.size if begin is not None else 0
        chain, rotations = KeyChain(sources.chain.first), []
        for seq, body in store.rows(0, end.size):
            data = rotation_in(body)
            if data is not None:
                chain.follow(seq, data)
                rotations += [(seq, body)] if seq < start else []
        bundle.export_range(
            target, id=f"entries {start}-{end.size - 1}", bodies=store.read(start, end.size), start=start,
            from_note=begin.note if begin is not None else None, tree=sources.tree, note=end.note, chain=chain, rotations=rotations,
        )
    return start, end.size - 1


def _checkpoint_before(store: StoreReader, seq: int) -> StoredCheckpoint | None:
    """Return the newest checkpoint whose range to the right begins at `seq` or before, None for the beginning of the log."""
    reach = 1
    while reach <= 2 * seq:
        found = list(takewhile(lambda row: row.size <= seq, store.checkpoints(seq - reach)))
        if found:
            return found[-1]
        reach *= 2
    return None


def _chosen(store: StoreReader, identifier: str, size: int) -> dict[int, tuple[bytes, Entry]]:
    """Return the entries about `identifier`, about the submission it belongs to with its publications, and about the people who acted.

    A list signature is there as its own entry, with the digests that were signed together: it never leads to what else stood in the list.
    """
    submissions = _submissions(store, identifier, size)
    subject = _Subject(ids={identifier} | submissions, submissions=submissions)
    for seq, body in store.rows(0, size):
        text = body.decode()
        if any(known in text for known in subject.ids) and subject.concerns(entry := load(body)):
            subject.take(seq, body, entry)
    people = {entry.actor for _, entry in subject.chosen.values()}
    shown = {text for _, entry in subject.chosen.values() for text in _strings(entry.data)}
    for seq, body in store.rows(0, size):
        if seq and not any(mark in body for mark in _WANTED):
            continue
        entry = load(body)
        signed = entry.type == EntryType.SIGNING_MADE and entry.object in subject.signings | {identifier}
        about_person = entry.type in _ABOUT_PEOPLE and (entry.object in people or entry.data.get("person") in people)
        erased = entry.type == EntryType.VALUES_ERASED and not shown.isdisjoint(entry.data["commitments"])
        if entry.type in _ALWAYS or signed or about_person or erased:
            subject.chosen[seq] = (body, entry)
    return subject.chosen


def _submissions(store: StoreReader, identifier: str, size: int) -> set[str]:
    """Return the submissions that an id of any kind leads to: one for most, several for a list that was signed together."""
    found = {identifier} if identifier.startswith("sub_") else set[str]()
    ids = {identifier}
    for body in () if found else store.read(0, size):
        if not any(known in body.decode() for known in ids):
            continue
        entry = load(body)
        if entry.type == EntryType.TOKEN_MINTED and (entry.object in ids or entry.data["jti"] in ids):
            found.add(entry.data["submission"])
        elif entry.data.get("signing") in ids:
            found.add(entry.object)
        elif entry.type == EntryType.REFUSED and entry.object == identifier:
            about = str(entry.data["about"])
            found |= {about} if about.startswith("sub_") else _submissions(store, about, entry.seq) if about.startswith("pub_") else set()
    return found


_ABOUT_PEOPLE: Final = frozenset({
    EntryType.PERSON_ADDED, EntryType.APPOINTMENT_MADE, EntryType.APPOINTMENT_ENDED, EntryType.PERSON_SUSPENDED, EntryType.PERSON_RESTORED,
    EntryType.FACTOR_ENROLLED,
})
_NO_PART: Final = _ABOUT_PEOPLE | {EntryType.REFUSED, EntryType.VALUES_ERASED}
_OPENING: Final = frozenset({EntryType.SUBMISSION_MADE, EntryType.TOKEN_MINTED, EntryType.FREEZE_SET})
"""What begins a matter of its own, whose later entries have it as their object."""
_WANTED: Final = tuple(
    f'"{kind}"'.encode() for kind in (*_ABOUT_PEOPLE, *_ALWAYS, EntryType.SIGNING_MADE, EntryType.VALUES_ERASED))


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


_CONTACT: Final = frozenset({"extension", "mail"})
"""How to reach a person proves nothing about a matter: these stay commitments in a pack that strangers read."""


def _values(sources: Sources, chosen: dict[int, tuple[bytes, Entry]]) -> list[SaltedValue]:
    found: dict[str, SaltedValue] = {}
    for _, entry in chosen.values():
        details = entry.data.get("details")
        kept = {commitment for name, commitment in details.items() if name in _CONTACT} if isinstance(details, dict) else set()
        for text in _strings(entry.data):
            if text not in kept and _DIGEST.fullmatch(text) and text not in found:
                salted = sources.values.salt_and_text(text)
                if salted is not None:
                    found[text] = SaltedValue(salt=salted[0], value=salted[1])
    return list(found.values())


def _blobs(sources: Sources, chosen: dict[int, tuple[bytes, Entry]]) -> list[bytes]:
    """Return the blobs that the entries name, and what the contents and templates among them name, but nothing from there on.

    Of a list that was signed together only the chosen decisions' statements are there: the others are digests in its entry.
    """
    found: dict[str, bytes] = {}
    inner: list[str] = []
    for _, entry in chosen.values():
        data = {key: value for key, value in entry.data.items() if entry.type != EntryType.SIGNING_MADE or key == "proof"}
        for digest in _strings(data):
            blob = _blob(sources, found, digest)
            if blob is not None and blob[:1] == b"{":
                inner += _parts_of(blob)
    for digest in inner:
        _blob(sources, found, digest)
    return list(found.values())


def _parts_of(blob: bytes) -> Iterator[str]:
    """Yield the digests that a content or a template names as parts: as `verify.py` reads them, never one that somebody wrote into a text."""
    try:
        values: list[Any] = [json.loads(blob)]
    except (ValueError, RecursionError):
        return
    while values:
        value = values.pop()
        if isinstance(value, dict):
            yield from (value[key] for key in ("sha256", "digest") if isinstance(value.get(key), str))
            values += value.values()
        elif isinstance(value, list):
            values += value


def _blob(sources: Sources, found: dict[str, bytes], digest: str) -> bytes | None:
    """Add the blob of `digest` to `found`, where there is one, and return it; None where it is none, not there, or there already."""
    if not _DIGEST.fullmatch(digest) or digest in found or not sources.blobs.has(digest):
        return None
    try:
        found[digest] = sources.blobs.get(digest)
    except (BlobMissing, BlobAltered):
        return None
    return found[digest]
