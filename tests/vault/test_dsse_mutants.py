"""What planted bugs in the envelope code once went unseen: limits at their last byte, and each refusal for its own reason."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vault import dsse
from vault.errors import SignatureInvalid

TYPE = "application/vnd.qianfa.approval.v1+json"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
SIG = base64.b64encode(bytes(64)).decode()


def document(**over: object) -> bytes:
    """Return an envelope's JSON with some members spoiled."""
    return json.dumps({"payload": "e30=", "payloadType": TYPE, "signatures": [{"keyid": "k", "sig": SIG}], **over}).encode()


def reason(data: bytes | str, limit: int = dsse.MAX_ENVELOPE) -> str:
    """Return why an envelope is refused."""
    with pytest.raises(SignatureInvalid) as refused:
        dsse.parse(data, limit=limit) if isinstance(data, bytes) else dsse.parse_text(data, limit=limit)
    return refused.value.reason


def test_the_last_byte_of_an_envelope() -> None:
    """8,192 bytes are signed and read back; a payload that needs more is not signed."""
    def signed(kind: str, length: int) -> dsse.Envelope:
        return dsse.sign(bytes(length), payload_type=kind, public_key=PUBLIC, signer=KEY.sign)

    length = 5_900
    spare = dsse.MAX_ENVELOPE - len(signed("t", length).to_bytes())
    length += spare // 4 * 3
    kind = "t" * (1 + dsse.MAX_ENVELOPE - len(signed("t", length).to_bytes()))
    full = signed(kind, length)
    assert len(full.to_bytes()) == dsse.MAX_ENVELOPE == 8_192
    assert dsse.parse_text(dsse.encode_text(full)) == full
    with pytest.raises(SignatureInvalid) as refused:
        signed(kind + "t", length)
    assert refused.value.reason == "too_large"


@pytest.mark.parametrize("kind", ["", "with space", "a\u0000", "-first", "t" * 128])
def test_a_payload_type_of_another_form_is_not_read(kind: str) -> None:
    """What could be confused in the signed bytes or in a page is no payload type, whoever signed it."""
    assert reason(document(payloadType=kind)) == "bad_type"


def test_sixteen_signatures_are_read_and_none_or_seventeen_are_not() -> None:
    """The count's two ends."""
    one = {"keyid": "k", "sig": SIG}
    assert len(dsse.parse(document(signatures=[one] * 16)).signatures) == 16
    assert reason(document(signatures=[one] * 17)) == reason(document(signatures=[])) == "bad_count"


def test_a_signature_without_a_hint_has_an_empty_one() -> None:
    """`keyid` may be missing; nothing is made up for it."""
    assert dsse.parse(document(signatures=[{"sig": SIG}])).signatures[0].keyid == ""


def test_numbers_that_json_does_not_have() -> None:
    """NaN and the infinities are a spelling error, not a value of another type."""
    for word in (b"NaN", b"Infinity", b"-Infinity"):
        assert reason(document().replace(b'"e30="', word)) == "not_json"


def test_characters_outside_the_alphabet_are_not_skipped() -> None:
    """Base64 that a lenient reader would mend is refused as base64, before anything in it is read."""
    text = dsse.encode_text(dsse.sign(b"{}", payload_type=TYPE, public_key=PUBLIC, signer=KEY.sign))
    for spoiled in (text[:9] + "!" + text[9:], text[:9] + "\n" + text[9:], text + "*", text[:9] + "!!!!" + text[9:]):
        assert reason(spoiled) == "bad_base64"


def test_other_letters_are_told_from_other_json() -> None:
    """Bytes above 127 are refused as such, wherever they stand."""
    assert reason(document().replace(b'"k"', '"签"'.encode())) == reason(b"\xff") == "not_ascii"


def test_a_text_longer_than_its_limit_is_not_decoded() -> None:
    """One character more than `limit` bytes can need is too large, whatever it says."""
    assert reason("qf1." + "A" * 13, limit=9) == "too_large"
    assert reason("qf1." + "A" * 12, limit=9) == "not_json"
