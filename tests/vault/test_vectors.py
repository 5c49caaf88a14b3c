"""The committed vectors: written exactly so, and read as each one expects."""

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from vault import dsse, envelope, totp
from vault.envelope import EnvelopeRecord
from vault.errors import CodeRefused, VaultError
from vault.rows import digest

VECTORS = Path(__file__).parents[1] / "vectors"


def load(kind: str) -> list:
    return [pytest.param(json.loads(path.read_text()), id=path.stem) for path in sorted((VECTORS / kind).glob("*.json"))]


def test_the_committed_files_are_what_the_generator_writes():
    """Regenerate in memory and compare byte for byte, both ways."""
    spec = importlib.util.spec_from_file_location("generate_vault", VECTORS / "generate_vault.py")
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    committed = {
        f"{kind}/{path.name}": path.read_text() for kind in ("envelope", "dsse", "totp") for path in (VECTORS / kind).glob("*.json")
    }
    assert generator.files() == committed


def outcome(call) -> tuple[str, bytes | None]:
    try:
        return "ok", call()
    except VaultError as error:
        return error.reason, None


@pytest.mark.parametrize("vector", load("envelope"))
def test_envelopes(vector):
    """Open the row at its place."""
    row = bytes.fromhex(vector["row"])
    assert digest(row) == vector["sha256"]
    place = {name: vector[name] for name in ("deployment", "secret_id", "version")}
    reason, plaintext = outcome(
        lambda: envelope.open_record(EnvelopeRecord.parse(row), **place, term_key=bytes.fromhex(vector["term_key"]))
    )
    assert reason == vector["expect"]
    assert (None if plaintext is None else plaintext.hex()) == vector["plaintext"]


@pytest.mark.parametrize("vector", load("dsse"))
def test_tokens(vector):
    """Parse the text and verify."""
    public_key = bytes.fromhex(vector["public_key"])
    reason, payload = outcome(
        lambda: dsse.verify(dsse.parse_text(vector["text"]), public_key=public_key, payload_type=vector["payload_type"])
    )
    assert reason == vector["expect"]
    assert (None if payload is None else payload.hex()) == vector.get("payload")


def test_codes_of_the_rfc():
    """Each instant accepts its code."""
    vector = json.loads((VECTORS / "totp" / "rfc6238.json").read_text())
    for case in vector["codes"]:
        at = datetime.fromtimestamp(case["at"], UTC)
        assert totp.verify(bytes.fromhex(vector["secret"]), case["code"], at=at, last_step=None) == case["at"] // 30


def test_spellings_of_codes():
    """The plain one is right, all others are malformed."""
    vector = json.loads((VECTORS / "totp" / "malformed.json").read_text())
    secret, at = bytes.fromhex(vector["secret"]), datetime.fromtimestamp(vector["at"], UTC)
    assert totp.verify(secret, vector["code"], at=at, last_step=None) == vector["at"] // 30
    for spelling in vector["spellings"]:
        with pytest.raises(CodeRefused) as caught:
            totp.verify(secret, spelling, at=at, last_step=None)
        assert caught.value.reason == vector["expect"]


def test_every_vector_says_what_it_is():
    """Comment, origin and expectation are never empty, and both outcomes occur for each kind."""
    for kind in ("envelope", "dsse", "totp"):
        vectors = [param.values[0] for param in load(kind)]
        assert all(vector["comment"] and vector["origin"] and vector["expect"] for vector in vectors)
        assert {vector["expect"] == "ok" for vector in vectors} == {True, False}
