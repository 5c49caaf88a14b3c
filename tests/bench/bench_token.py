"""What verifying a token costs beside one bare Ed25519 verification, by the gate's library and by OpenSSL; prints, writes nothing.

Run `python tests/bench/bench_token.py`. All sides run in turn in one process; the figures are medians over batches.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault import dsse

TYPE = "application/vnd.qianfa.approval.v1+json"
BATCHES, CALLS = 15, 200


def micros(call: Callable[[], object]) -> float:
    """Time one batch: microseconds a call."""
    start = time.perf_counter()
    for _ in range(CALLS):
        call()
    return (time.perf_counter() - start) / CALLS * 1e6


def main() -> None:
    """Measure tokens with payloads of a usual and of the largest size."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    public = key.public_key().public_bytes_raw()
    loaded, other = dsse.load_public_key(public), key.public_key()
    for size in (1200, 5800):
        payload = json.dumps({"v": 1, "pad": "x" * (size - 20)}).encode()
        envelope = dsse.sign(payload, payload_type=TYPE, public_key=public, signer=key.sign)
        text, signature, message = dsse.encode_text(envelope), envelope.signatures[0].sig, envelope.signed_bytes
        sides: dict[str, Callable[[], object]] = {
            "openssl": lambda m=message, s=signature: other.verify(s, m),
            "bare": lambda m=message, s=signature: loaded.verify(m, s),
            "token": lambda t=text: dsse.verify(dsse.parse_text(t), public_key=public, payload_type=TYPE),
        }
        rounds: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(BATCHES):
            for name, call in sides.items():
                rounds[name].append(micros(call))
        openssl, bare, token = (statistics.median(rounds[name]) for name in ("openssl", "bare", "token"))
        print(f"payload {len(payload)} B: bare {bare:.1f} us (OpenSSL {openssl:.1f} us), token {token:.1f} us, ratio {token / bare:.2f}")


if __name__ == "__main__":
    main()
