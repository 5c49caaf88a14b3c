"""Verifying a token beside one bare Ed25519 verification, in turns."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.bench.bench_token import TYPE, micros
from vault import dsse

PAYLOAD_BYTES = 1200


def measure(*, rounds: int) -> Iterator[tuple[float, float]]:
    """Yield, for each round, microseconds of a token and of a bare verification."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes_raw()
    bare = dsse.load_public_key(public)
    payload = json.dumps({"v": 1, "pad": "x" * (PAYLOAD_BYTES - 20)}).encode()
    envelope = dsse.sign(payload, payload_type=TYPE, public_key=public, signer=key.sign)
    text, signature, message = dsse.encode_text(envelope), envelope.signatures[0].sig, envelope.signed_bytes
    for _ in range(rounds):
        yield (
            micros(lambda: dsse.verify(dsse.parse_text(text), public_key=public, payload_type=TYPE)),
            micros(lambda: bare.verify(message, signature)),
        )


def figures(turns: list[tuple[float, float]]) -> dict[str, float]:
    """Return the row's value."""
    return {"token_ratio": statistics.median(token / bare for token, bare in turns)}
