"""A small log with real keys, for every test of the evidence log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.log.checkpoint import KeyChain, LogKey, Signer
from gateway.log.copies import CheckpointCopies
from gateway.log.merkle import Tree
from gateway.log.store import LogStore
from gateway.log.writer import LogWriter

NAME = "qianfa.test"
EPOCH = "e1"


def signer(seed: int = 1, name: str = NAME) -> Signer:
    """A signer from a fixed seed, so that vectors and failures repeat."""
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return Signer(LogKey(name, private.public_key().public_bytes_raw()), private.sign)


def entry(seq: int, type_: str = "counters.taken", **data: object) -> bytes:
    """The canonical bytes of one entry."""
    return canonical.encode({
        "v": 1, "seq": seq, "type": type_, "at": "2026-11-23T08:00:00.000Z", "actor": "system", "object": "dep_1", "command": None,
        "data": data,
    })


class Log:
    """A store, its copy and its writer in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path, self.copy_path = folder / "log.db", folder / "checkpoints.copy"
        self.signer = signer()
        self.first = self.signer.key
        self.open()

    def open(self) -> None:
        self.store = LogStore.open(self.path)
        self.copies = CheckpointCopies.open(self.copy_path)
        self.tree, self.chain = Tree(), KeyChain(self.first)
        self.writer = self.new_writer()

    def new_writer(self) -> LogWriter:
        self.fence = self.store.take_fence()
        return LogWriter(
            store=self.store, copies=self.copies, tree=self.tree, chain=self.chain, signer=self.signer, epoch=EPOCH, fence=self.fence,
        )

    def write(self, count: int, batch: int = 1) -> None:
        """Commit `count` entries in batches."""
        for first in range(0, count, batch):
            size = self.writer.size
            self.writer.commit([entry(size + i) for i in range(min(batch, count - first))])

    def close(self) -> None:
        self.store.close()
        self.copies.close()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """An empty log."""
    opened = Log(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def make_signer():  # noqa: ANN201 -- a factory
    """The factory of signers."""
    return signer


@pytest.fixture
def make_entry():  # noqa: ANN201 -- a factory
    """The factory of entries."""
    return entry


@pytest.fixture
def make_log():  # noqa: ANN201 -- a factory
    """The factory of logs."""
    return Log
