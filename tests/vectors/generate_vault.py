"""Writes the vault's vectors: envelopes, tokens and one-time codes, with fixed keys and nonces.

Run `python tests/vectors/generate_vault.py` and look at `git diff`; a test holds the committed files to what this writes.
Product code never imports this. Each vector says in `expect` what a reader answers: `ok` or the reason of the refusal.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault import dsse, envelope, totp
from vault.envelope import EnvelopeRecord, Random

HERE = Path(__file__).parent
OWN = "made by tests/vectors/generate_vault.py from fixed keys"
TYPE = "application/vnd.qianfa.approval.v1+json"
PLACE = {"deployment": "dep_vector", "secret_id": "cred_wechat_main", "version": 3}
TERM_KEY = hashlib.sha256(b"term key of the vectors").digest()
OTHER_KEY = hashlib.sha256(b"another term key").digest()
SEED = hashlib.sha256(b"signing key of the vectors").digest()
OTHER_SEED = hashlib.sha256(b"another signing key").digest()
PAYLOAD = '{"jti":"tok_vector","title":"签发","v":1}'.encode()


def fixed(label: str) -> Random:
    """Give a stream of fixed bytes."""
    counter = itertools.count()
    return lambda length: hashlib.shake_256(f"{label} {next(counter)}".encode()).digest(length)


def _envelope(comment: str, expect: str, record: EnvelopeRecord | bytes, **changes: Any) -> dict[str, Any]:
    row = record if isinstance(record, bytes) else record.to_bytes()
    vector = {"comment": comment, "origin": OWN, "expect": expect, **PLACE, "term_key": TERM_KEY.hex(), "plaintext": None}
    return {**vector, **changes, "row": row.hex(), "sha256": "sha256:" + hashlib.sha256(row).hexdigest()}


def envelopes() -> dict[str, dict[str, Any]]:
    """One good record, an empty one, and one for each way to be wrong."""

    def seal(secret: bytes, **changes: Any) -> EnvelopeRecord:
        given = {**PLACE, "term": 1, "term_key": TERM_KEY, "random": fixed("envelope")} | changes
        return envelope.seal(secret, **given)

    good = seal(b"canary secret")
    row = good.to_bytes()
    elsewhere = seal(b"canary secret", random=fixed("elsewhere"))
    moved = envelope.rewrap(good, old_key=TERM_KEY, term=2, term_key=OTHER_KEY)
    flipped = row[:-1] + bytes([row[-1] ^ 1])
    return {
        "ok": _envelope("a secret of 13 bytes", "ok", good, plaintext=b"canary secret".hex()),
        "ok_empty": _envelope("an empty secret", "ok", seal(b""), plaintext=""),
        "ok_rewrapped": _envelope("`ok` moved to term 2", "ok", moved, plaintext=b"canary secret".hex(), term_key=OTHER_KEY.hex()),
        "wrong_term_key": _envelope("`ok` under another term's key", "wrap", good, term_key=OTHER_KEY.hex()),
        "other_deployment": _envelope("`ok` in another deployment", "tag", good, deployment="dep_other"),
        "other_secret": _envelope("`ok` in the place of another secret", "tag", good, secret_id="cred_weibo_main"),
        "other_version": _envelope("`ok` put back as a later version", "tag", good, version=4),
        "shifted_names": _envelope(
            "one character moved from id to deployment", "tag", good, deployment="dep_vectorc", secret_id="red_wechat_main"
        ),
        "flipped_tag": _envelope("last bit of the tag", "tag", flipped),
        "wrong_commitment": _envelope("commitment of zeros", "commitment", replace(good, commitment=bytes(32))),
        "swapped_wrap": _envelope("the wrapped key of another record", "commitment", replace(good, wrapped_key=elsewhere.wrapped_key)),
        "unknown_format": _envelope("format version 2", "malformed", row[:3] + b"\x02" + row[4:]),
        "trailing_data": _envelope("one byte too many", "malformed", row + b"\0"),
        "truncated": _envelope("one byte too few", "malformed", row[:-1]),
    }


def _token(comment: str, expect: str, text: str, **changes: Any) -> dict[str, Any]:
    public = Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw().hex()
    vector = {"comment": comment, "origin": OWN, "expect": expect, "payload_type": TYPE, "public_key": public}
    return {**vector, **changes, "text": text}


def _text(data: bytes) -> str:
    return dsse.PREFIX + base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def tokens() -> dict[str, dict[str, Any]]:
    """One good token, and one for each way to be wrong."""
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    public = key.public_key().public_bytes_raw()
    good = dsse.sign(PAYLOAD, payload_type=TYPE, public_key=public, signer=key.sign)
    twice = replace(good, signatures=good.signatures * 2)
    inner = good.to_bytes()
    other_type = dsse.sign(PAYLOAD, payload_type="application/vnd.qianfa.other.v1+json", public_key=public, signer=key.sign)
    other_public = Ed25519PrivateKey.from_private_bytes(OTHER_SEED).public_key().public_bytes_raw().hex()
    swapped = replace(good, payload=PAYLOAD.replace(b"tok_vector", b"tok_vectoR"))
    text = dsse.encode_text(good)
    return {
        "ok": _token("a token", "ok", text, payload=PAYLOAD.hex(), pae=good.signed_bytes.hex(), sig=good.signatures[0].sig.hex()),
        "other_key": _token("`ok` under another key", "bad_signature", text, public_key=other_public),
        "other_type": _token("a right signature over another type", "wrong_type", dsse.encode_text(other_type)),
        "retyped": _token("that one with its type changed back", "bad_signature", dsse.encode_text(replace(other_type, payload_type=TYPE))),
        "other_payload": _token("one letter of the payload", "bad_signature", dsse.encode_text(swapped)),
        "two_signatures": _token("the same signature twice", "bad_count", dsse.encode_text(twice)),
        "no_signature": _token("an empty list", "bad_count", dsse.encode_text(replace(good, signatures=()))),
        "duplicate_key": _token("payload twice", "duplicate_key", _text(inner[:-1] + b',"payload":""}')),
        "unknown_key": _token("one key more", "bad_shape", _text(inner[:-1] + b',"alg":"none"}')),
        "spaced": _token("the same JSON with spaces", "not_canonical", _text(json.dumps(json.loads(inner)).encode())),
        "padded": _token("padding on the text", "not_canonical", text + "=" * (-(len(text) - 4) % 4 or 4)),
        "wrong_prefix": _token("another prefix", "bad_prefix", "qf2." + text[4:]),
        "trailing_data": _token("a byte after the JSON", "not_json", _text(inner + b"x")),
        "too_large": _token("8193 bytes", "too_large", _text(inner + b" " * (8193 - len(inner)))),
        "small_order_key": _token("the identity as public key", "bad_key", text, public_key=(1).to_bytes(32, "little").hex()),
    }


def codes() -> dict[str, dict[str, Any]]:
    """RFC 6238's instants for SHA-1, spellings that are refused, and two pairs of steps that share a code."""
    secret = b"12345678901234567890"
    rfc = {"comment": "RFC 6238 appendix B, SHA-1, last six digits", "origin": "RFC 6238", "expect": "ok"}
    instants = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"}
    right = totp.code_at(secret, 2_000_000)
    wide = {48 + i: 0xFF10 + i for i in range(10)}
    bold = {48 + i: 0x1D7CE + i for i in range(10)}
    spellings = [
        right.translate(wide),
        right.translate(bold),
        f" {right}",
        f"{right}\n",
        f"{right[:3]} {right[3:]}",
        right[:5],
        f"{right}0",
    ]

    def shared(step: int, other: int, comment: str) -> dict[str, Any]:
        code = totp.code_at(secret, step)
        return {"comment": comment, "origin": OWN, "expect": "ok", "secret": secret.hex(), "steps": [step, other], "code": code}

    return {
        "rfc6238": {**rfc, "secret": secret.hex(), "codes": [{"at": at, "code": code} for at, code in instants.items()]},
        "malformed": {
            "comment": "other spellings of the right code of step 2000000",
            "origin": OWN,
            "expect": "malformed",
            "secret": secret.hex(),
            "at": 60_000_000,
            "code": right,
            "spellings": spellings,
        },
        "shared_by_neighbours": shared(910_737, 910_738, "two neighbouring steps with one code"),
        "shared_by_edges": shared(153_567, 153_569, "the two edges of one window with one code"),
    }


def files() -> dict[str, str]:
    """Give every file, path below this folder to text."""
    kinds = {"envelope": envelopes(), "dsse": tokens(), "totp": codes()}
    return {
        f"{kind}/{name}.json": json.dumps(vector, ensure_ascii=True, indent=1, sort_keys=True) + "\n"
        for kind, vectors in kinds.items()
        for name, vector in vectors.items()
    }


def main() -> None:
    """Write them."""
    for name, text in files().items():
        path = HERE / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
