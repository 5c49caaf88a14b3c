"""Write N realistic entries quickly: `python -m tests.bench.entries 1000000` replays them and prints time and memory.

The entries repeat what one real story makes (submit, approve, release, the gate's six entries) over a staffed company: each repetition has ids,
instants, digests and commands of its own. About one in ten is returned once, one in twenty is refused by the platform and released again.
"""

from __future__ import annotations

import gc
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.canonical import sha256
from gateway.machine import State, apply
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Grade
from gateway.protocol.entries import CommandRef, load
from tests.gateway.machine.company import START, Company

SECONDS = 240
"""Seconds from one story to the next: 360 a day."""


def story(company: Company, number: int) -> None:
    """Take one submission from hand-in to live; `number` says which small accidents it has."""
    def ref() -> CommandRef:
        return CommandRef(f"cmd_{company.state.size:020d}", sha256(b"body"))

    command = company.submission_command("ch_web", window_to=instants.plus(company.at, 86_400))
    submission = company.do(command, "lu", Grade.DESK, ref=ref())[0].object
    if number % 10 == 0:
        company.do(c.Return(submission=submission, revision=1, reason="wording", notes=sha256(b"notes")), "gu", ref=ref())
        company.do(company.submission_command("ch_web", submission=submission, window_to=instants.plus(company.at, 86_400)), "lu", ref=ref())
    company.do(company.sign_command("gu", company.item("gu", submission, "approve")), "gu", Grade.PROOF, ref=ref())
    for outcome in ("rejected", "live") if number % 20 == 1 else ("live",):
        company.wait(30)
        made = company.do(company.sign_command("fang", company.item("fang", submission, "release")), "fang", Grade.PROOF, ref=ref())
        company.send(made[-1].object, outcome)


def entries(count: int) -> Iterator[bytes]:
    """Yield at least `count` entries' bytes, the first of a staffed company, the rest stories with fresh ids."""
    company = Company.staffed()
    yield from (entry.to_bytes() for entry in company.entries)
    templates = []
    for number in range(20):
        start, first = len(company.entries), company.ids.count
        company.at = instants.plus(START, 86_400)
        story(company, number)
        text = [json.dumps(json.loads(entry.to_bytes()), ensure_ascii=False, sort_keys=True, separators=(",", ":")) for entry in company.entries[start:]]
        templates.append((start, first, company.ids.count, text))
    size, ids, told = templates[0][0], templates[0][1], 0
    while size < count:
        start, first, last, text = templates[told % 20]
        at, base = instants.plus(START, 2 * 86_400 + told * SECONDS), size
        for offset, line in enumerate(text):
            yield renumber(line, start + offset, base + offset, first, last, ids, at, told).encode()
            size += 1
        ids += last - first
        told += 1


def renumber(line: str, old: int, new: int, first: int, last: int, ids: int, at: str, told: int) -> str:
    """Return a template's entry at another place in the log, with ids, instant, number and digests of its own."""
    line = line.replace(f'"seq":{old},', f'"seq":{new},')
    for number in range(first + 1, last + 1):
        line = line.replace(f'_{number:06d}"', f'_{number - first + ids:020d}"')
    head, _, rest = line.partition('"at":"')
    line = head + '"at":"' + at + rest[24:]
    line = line.replace(f"cmd_{old:020d}", f"cmd_{new:020d}").replace('"nonce":"nonce_', f'"nonce":"n{told:012d}_')
    for marker in ('"content":"sha256:', '"statement":"sha256:', '"token":"sha256:', '"template":"sha256:'):
        start = line.find(marker)
        if start >= 0:
            start += len(marker)
            line = f"{line[:start]}{new:064x}{line[start + 64:]}"
    start = line.find('"number":"签-2026-')
    if start >= 0:
        line = f"{line[:start + 18]}{told + 30:04d}{line[line.index(chr(34), start + 18):]}"
    return line


def main(count: int) -> None:
    """Write the entries, replay them, and print what it took."""
    with tempfile.TemporaryFile() as file:
        size = sum(file.write(body + b"\n") for body in entries(count))
        file.seek(0)
        replay(file, size)


def replay(file: IO[bytes], size: int) -> None:
    """Replay the file's entries; the collector is off, as at the enforcer's start, since nothing that is built is ever garbage."""
    gc.disable()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    state = State()
    for line in file:
        apply(state, load(line))
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{state.size} entries, {size >> 20} MB: replayed in {seconds:.2f} s; peak memory {before >> 10} -> {after >> 10} MB")
    print(f"{len(state.publications)} publications, {len(state.finished)} finished, {len(state.submissions)} open")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
