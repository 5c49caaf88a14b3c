"""Code that nobody here wrote reaches the same verdict: Go's note and tlog packages."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from gateway.log.checkpoint import Checkpoint, sign_checkpoint
from gateway.log.merkle import Tree, leaf_hash

SOURCE = Path(__file__).parent / "go/main.go"


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory):
    """The compiled checker: takes cases, returns its lines."""
    folder = tmp_path_factory.mktemp("go")
    environment = {**os.environ, "GOPATH": "/usr/share/gocode", "GO111MODULE": "off", "GOCACHE": str(folder / "cache"), "GOFLAGS": "", "GOPROXY": "off"}
    subprocess.run(["go", "build", "-o", str(folder / "check"), str(SOURCE)], check=True, env=environment, timeout=170)

    def run(cases: list[dict]) -> list[str]:
        (folder / "cases.json").write_text(json.dumps(cases))
        done = subprocess.run([str(folder / "check"), str(folder / "cases.json")], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    return run


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.timeout(300)
def test_go_agrees(check, make_signer) -> None:
    """Go accepts our checkpoint, inclusion and consistency proofs at many sizes, and refuses each of them spoiled."""
    signer, tree = make_signer(), Tree()
    bodies = [b"entry %d" % i for i in range(300)]
    tree.extend(map(leaf_hash, bodies))
    cases, expected = [], []
    for size, index, old in ((1, 0, 1), (2, 1, 1), (3, 2, 2), (255, 100, 128), (256, 255, 255), (257, 256, 3), (300, 17, 257)):
        good = {
            "VKey": signer.key.vkey, "Note": sign_checkpoint(Checkpoint("qianfa.test/e1", size, tree.root(size)), signer), "Body": b64(bodies[index]),
            "Index": index, "Inclusion": [b64(node) for node in tree.inclusion(index, size)], "OldSize": old, "OldRoot": b64(tree.root(old)),
            "Consistency": [b64(node) for node in tree.consistency(old, size)],
        }
        bad = [
            ("vkey", {"VKey": make_signer(2).key.vkey.replace("qianfa.test+", "qianfa.test+0", 1)}), ("note", {"VKey": make_signer(2).key.vkey}),
            ("note", {"Note": good["Note"].replace("e1", "e2", 1)}), ("inclusion", {"Index": size}), ("inclusion", {"Body": b64(b"other")}),
            ("inclusion", {"Inclusion": [*good["Inclusion"], b64(bytes(32))]}), ("consistency", {"OldRoot": b64(bytes(32))}),
            ("consistency", {"Consistency": [*good["Consistency"], b64(bytes(32))]}),
        ]
        cases += [good, *({**good, **change} for _, change in bad)]
        expected += ["ok", *(word for word, _ in bad)]
    assert [line.split(":")[0] for line in check(cases)] == expected
