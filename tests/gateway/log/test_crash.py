"""Crashes: a writer killed at any moment leaves a prefix and a checkpoint that fit; readers never see anything else."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from gateway.log.audit import Ok, check_against_copy, verify_log
from gateway.log.checkpoint import KeyChain
from gateway.log.copies import CheckpointCopies
from gateway.log.errors import LogUnavailable
from gateway.log.merkle import leaf_hash, verify_inclusion
from gateway.log.store import LogStore, StoreReader
from gateway.log.writer import LogWriter, catch_up

WRITER = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from gateway.log.audit import verify_log
from gateway.log.checkpoint import LogKey, Signer
from gateway.log.copies import CheckpointCopies
from gateway.log.store import LogStore
from gateway.log.writer import LogWriter, catch_up
folder = Path(sys.argv[1])
private = Ed25519PrivateKey.from_private_bytes(bytes([1]) * 32)
signer = Signer(LogKey("qianfa.test", private.public_key().public_bytes_raw()), private.sign)
store, copies = LogStore.open(folder / "log.db"), CheckpointCopies.open(folder / "checkpoints.copy")
report = verify_log(store, signer.key, copies=[folder / "checkpoints.copy"])
assert report.ok, report.findings
catch_up(store, copies)
writer = LogWriter(store=store, copies=copies, tree=report.tree, chain=report.chain, signer=signer, epoch="e1", fence=store.take_fence())
while True:
    size = writer.size
    done = writer.commit([b"entry %d" % (size + i) for i in range(1 + size % 3)], sync=size % 5 == 0)
    print(done.size, flush=True)
"""


def start(folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True, env=environment)


def test_killed_at_random(tmp_path: Path, make_signer) -> None:
    """SIGKILL at random moments, over and over: what was acknowledged is there, in order, verified; nothing else is."""
    chance, acknowledged = random.Random(20261123), 0
    for _ in range(6):
        process = start(tmp_path)
        line = process.stdout.readline()
        time.sleep(chance.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.wait()
        process.stdout.close()
        acknowledged = int((line + rest).split("\n")[-2])
        with LogStore.open(tmp_path / "log.db") as store:
            report = verify_log(store, make_signer().key, copies=[tmp_path / "checkpoints.copy"])
            assert (report.findings, check_against_copy(report)) == ([], Ok())
            assert report.size >= acknowledged
            assert list(store.read(0)) == [b"entry %d" % i for i in range(report.size)]
            assert report.checkpoint is not None
            assert report.checkpoint.size == report.size
    assert acknowledged > 20


def test_readers_during_kills(tmp_path: Path, make_signer) -> None:
    """A reader beside a writer that is being killed only ever sees a whole log, and proves what it saw."""
    process = start(tmp_path)
    try:
        process.stdout.readline()
        sizes = []
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            with StoreReader.open_readonly(tmp_path / "log.db") as reader:
                row = reader.last_checkpoint()
                assert row is not None
                bodies = list(reader.read(0, row.size))
            chain = KeyChain(make_signer().key)
            checkpoint = chain.open(row.note)
            assert bodies == [b"entry %d" % i for i in range(row.size)]
            with StoreReader.open_readonly(tmp_path / "log.db") as reader:
                tree = verify_log(reader, make_signer().key).tree
            index = row.size // 2
            proof = tree.inclusion(index, row.size)
            verify_inclusion(leaf=leaf_hash(bodies[index]), index=index, size=row.size, proof=proof, root=checkpoint.root)
            sizes.append(row.size)
        assert sizes == sorted(sizes)
        assert sizes[-1] > sizes[0]
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_an_entry_durable_though_the_append_failed(log, make_entry, monkeypatch) -> None:
    """A failed append is unknown: after a restart the entry may be there, and the start takes it up with its checkpoint."""
    log.write(2)

    def broken(*_: object) -> None:
        raise LogUnavailable("copy_unavailable")

    monkeypatch.setattr(log.copies, "append", broken)
    try:
        log.writer.commit([make_entry(2)])
    except LogUnavailable:
        pass
    else:
        raise AssertionError
    monkeypatch.undo()
    log.close()
    log.store, log.copies = LogStore.open(log.path), CheckpointCopies.open(log.copy_path)
    report = verify_log(log.store, log.first, copies=[log.copy_path])
    assert (report.ok, report.size) == (True, 3)
    assert catch_up(log.store, log.copies) == 1
    writer = LogWriter(
        store=log.store, copies=log.copies, tree=report.tree, chain=report.chain, signer=log.signer, epoch="e1", fence=log.store.take_fence()
    )
    assert writer.commit([make_entry(3)]).first == 3
    assert verify_log(log.store, log.first, copies=[log.copy_path]).ok
