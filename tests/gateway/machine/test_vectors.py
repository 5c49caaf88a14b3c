"""The entry and token vectors: what they say holds, and the generator writes nothing else; the spec pages are held to the code."""

from __future__ import annotations

import importlib.util
import json
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import canonical
from gateway.canonical import sha256
from gateway.machine import State, apply, policy
from gateway.machine.policy.routes_page import page
from gateway.protocol import claims, entries
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import state_digest
from vault import dsse
from vault.errors import SignatureInvalid

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests" / "vectors"
TOKENS = sorted((VECTORS / "token").glob("*.json"))


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate_machine", VECTORS / "generate_machine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generator_writes_these_files() -> None:
    """Regenerated, both folders are byte for byte what is committed."""
    module = generator()
    for folder, files in (("entry", module.entry_vectors()), ("token", module.token_vectors())):
        kept = {path.name: path.read_text(encoding="utf-8") for path in (VECTORS / folder).iterdir()}
        assert sorted(kept) == sorted(files)
        for name, text in files.items():
            assert kept[name] == text, name


def test_replay_gives_the_recorded_states() -> None:
    """`apply` of each entry of the recorded log gives the recorded digest, entry by entry."""
    state = State()
    digests = json.loads((VECTORS / "entry" / "states.json").read_text(encoding="utf-8"))
    lines = (VECTORS / "entry" / "log.jsonl").read_bytes().splitlines()
    assert len(lines) == len(digests)
    for line, digest in zip(lines, digests, strict=True):
        apply(state, entries.parse(line))
        assert state_digest(state) == digest, f"entry {state.size - 1}"


def test_one_sample_of_every_type() -> None:
    """Each entry type has a sample whose bytes are canonical and hash to what it says."""
    for kind in EntryType:
        sample = json.loads((VECTORS / "entry" / f"{kind}.json").read_text(encoding="utf-8"))
        body = canonical.encode(sample["entry"])
        assert (sample["type"], entries.parse(body).type, sha256(body)) == (kind, kind, sample["sha256"])


@pytest.mark.parametrize("path", TOKENS, ids=lambda path: path.stem)
def test_tokens(path: Path) -> None:
    """Each token is what its file expects, through the two parsers that the gate uses."""
    vector = json.loads(path.read_text(encoding="utf-8"))
    found = "ok"
    try:
        envelope = dsse.parse_text(vector["text"])
        payload = dsse.verify(envelope, public_key=bytes.fromhex(vector["public_key"]), payload_type=claims.PAYLOAD_TYPE)
        claims.parse(payload)
    except SignatureInvalid:
        found = "signature_invalid"
    except claims.ClaimsInvalid:
        found = "claims_invalid"
    assert found == vector["expect"]


def test_openssl_agrees(tmp_path: Path) -> None:
    """A stranger checks the signature with openssl alone, as docs/spec/approval-token.md says."""
    vector = json.loads((VECTORS / "token" / "ok.json").read_text(encoding="utf-8"))
    envelope = dsse.parse_text(vector["text"])
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(vector["public_key"]))
    (tmp_path / "approval.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "token.sig").write_bytes(envelope.signatures[0].sig)
    for data, expected in ((envelope.signed_bytes, 0), (envelope.signed_bytes + b" ", 1)):
        (tmp_path / "token.pae").write_bytes(data)
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "approval.pem", "-rawin", "-in", "token.pae", "-sigfile", "token.sig"],
            cwd=tmp_path, check=False, capture_output=True,
        )
        assert done.returncode == expected


def rows(text: str) -> dict[str, set[str]]:
    """Return the first column of a page's tables, and the names in code in the last."""
    found = re.findall(r"^\| `([\w.]+)` \|(?:[^|]*\|)*? ([^|]*) \|$", text, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", fields)) for name, fields in found}


def test_the_entry_page_lists_every_type_and_field() -> None:
    """docs/spec/entry.md names exactly the types there are, each with exactly the fields the samples have."""
    listed = rows((ROOT / "docs" / "spec" / "entry.md").read_text(encoding="utf-8"))
    types: dict[str, set[str]] = {kind.value: set() for kind in EntryType}
    for line in (VECTORS / "entry" / "log.jsonl").read_bytes().splitlines():
        entry = entries.load(line)
        types[entry.type] |= set(entry.data)
    assert {name: fields for name, fields in listed.items() if "." in name} == types


def test_the_token_page_lists_every_claim() -> None:
    """docs/spec/approval-token.md names exactly the claims that are parsed, and its sample is the vector's."""
    text = (ROOT / "docs" / "spec" / "approval-token.md").read_text(encoding="utf-8")
    assert set(rows(text)) == claims.CLAIMS
    sample = json.loads(text.split("```json\n")[1].split("```")[0])
    vector = json.loads((VECTORS / "token" / "ok.json").read_text(encoding="utf-8"))
    assert sample == json.loads(dsse.parse_text(vector["text"]).payload)


def test_the_routes_page_is_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """docs/routes.md is what the script writes from the table of the policy, word for word, and carries its digest."""
    runpy.run_path(str(ROOT / "gateway" / "machine" / "policy" / "routes_page.py"), run_name="__main__")
    assert (ROOT / "docs" / "routes.md").read_text(encoding="utf-8") == page() == capsys.readouterr().out
    assert policy.digest() in page()
