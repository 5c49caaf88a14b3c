"""Attacks on tokens: catalogue part A (forgery), as far as the envelope goes."""

import base64
import contextlib
import hashlib
import json
from dataclasses import replace

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from vault import dsse
from vault.errors import SignatureInvalid

TYPE = "application/vnd.qianfa.approval.v1+json"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC, OTHER_PUBLIC = (key.public_key().public_bytes_raw() for key in (KEY, OTHER))
PAYLOAD = b'{"v":1,"jti":"tok_1"}'


def signed(key: Ed25519PrivateKey = KEY, payload: bytes = PAYLOAD, payload_type: str = TYPE) -> dsse.Envelope:
    return dsse.sign(payload, payload_type=payload_type, public_key=key.public_key().public_bytes_raw(), signer=key.sign)


def document() -> dict:
    return json.loads(signed().to_bytes())


def reason(call) -> str:
    with pytest.raises(SignatureInvalid) as caught:
        call()
    return caught.value.reason


def check(data: bytes) -> bytes:
    return dsse.verify(dsse.parse(data), public_key=PUBLIC, payload_type=TYPE)


def check_text(text: str) -> bytes:
    return dsse.verify(dsse.parse_text(text), public_key=PUBLIC, payload_type=TYPE)


def test_a1_every_flipped_byte_of_the_envelope():
    """Each byte of the JSON, every bit: refused, unless it only touches the hint, which decides nothing."""
    data = signed().to_bytes()
    hint = range(data.index(b'"keyid":"') + 9, data.index(b'","sig"'))
    for index in range(len(data)):
        for bit in range(8):
            broken = bytearray(data)
            broken[index] ^= 1 << bit
            try:
                assert check(bytes(broken)) == PAYLOAD
                assert index in hint
            except SignatureInvalid:
                pass


def test_a1_every_changed_character_of_the_text():
    """Each character of the text form replaced by its neighbours: never another payload, never another text for this payload."""
    text = dsse.encode_text(signed())
    for index in range(len(text)):
        for other in "AB-_+/=. 0":
            if other == text[index]:
                continue
            try:
                assert check_text(text[:index] + other + text[index + 1 :]) == PAYLOAD
                changed = dsse.parse_text(text[:index] + other + text[index + 1 :])
                assert changed.signatures[0].keyid != signed().signatures[0].keyid
            except SignatureInvalid:
                pass


@given(st.data())
def test_a1_random_damage_never_verifies_to_another_payload(data):
    """Splice random bytes in at random places."""
    raw = bytearray(signed().to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        raw[start : start + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    with contextlib.suppress(SignatureInvalid):
        assert check(bytes(raw)) == PAYLOAD


@given(st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)))
def test_any_bytes_are_refused_with_our_error(data):
    """Nothing but `SignatureInvalid` comes out of the parsers."""
    assert reason(lambda: dsse.parse(data))
    assert reason(lambda: dsse.parse_text(data.decode("utf-8", "replace")))
    assert reason(lambda: dsse.parse_text("qf1." + data.decode("latin-1")))
    assert reason(lambda: dsse.parse_text("qf1." + base64.urlsafe_b64encode(data).decode().rstrip("=")))


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.floats(allow_nan=False)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(st.sampled_from(["payload", "payloadType", "signatures", "keyid", "sig", "x"]), inner, max_size=4),
        ),
        max_leaves=8,
    )
)
def test_any_json_is_refused_with_our_error(value):
    """Random documents with our names in them."""
    assert reason(lambda: dsse.parse(json.dumps(value).encode()))


@pytest.mark.parametrize(
    "signatures", [[], None, {}, "x", [None], [[]], [{}], [{"keyid": "k"}], [{"sig": None}], [{"sig": 1}], [{"sig": ""}]]
)
def test_a2_signatures_empty_absent_or_null(signatures):
    """No shape without a signature parses."""
    assert reason(lambda: check(json.dumps(document() | {"signatures": signatures}).encode()))
    missing = document()
    del missing["signatures"]
    assert reason(lambda: check(json.dumps(missing).encode())) == "bad_shape"


def test_a2_many_signatures():
    """10,000 entries are too large; 17 within a larger limit are too many; 16 parse, and a token still takes exactly one."""
    entry = document()["signatures"][0]
    many = json.dumps(document() | {"signatures": [entry] * 10_000}).encode()
    assert reason(lambda: dsse.parse(many)) == "too_large"
    assert reason(lambda: dsse.parse(many, limit=10**7)) == "bad_count"
    assert reason(lambda: dsse.parse(json.dumps(document() | {"signatures": [entry] * 17}).encode())) == "bad_count"
    sixteen = json.dumps(document() | {"signatures": [entry] * 16}).encode()
    assert reason(lambda: check(sixteen)) == "bad_count"


@pytest.mark.parametrize(("keys", "threshold"), [([], 0), ([PUBLIC], 0), ([PUBLIC], -1), ([PUBLIC], 2), ([], 1), ([PUBLIC, PUBLIC], 2)])
def test_a2_thresholds_that_mean_nothing(keys, threshold):
    """Zero, negative, more than there are different keys."""
    call = lambda: dsse.verify_threshold(signed(), public_keys=keys, threshold=threshold, payload_type=TYPE)  # noqa: E731
    assert reason(call) == "bad_threshold"


def test_a4_one_key_under_two_ids_counts_once():
    """Twice the same signature, twice the same key in the ring: below a threshold of two."""
    one = signed()
    twice = replace(one, signatures=(*one.signatures, dsse.Signature(keyid="other", sig=one.signatures[0].sig)))
    for keys in ([PUBLIC, OTHER_PUBLIC], [PUBLIC, PUBLIC, OTHER_PUBLIC]):
        call = lambda keys=keys: dsse.verify_threshold(twice, public_keys=keys, threshold=2, payload_type=TYPE)  # noqa: E731
        assert reason(call) == "below_threshold"
    both = replace(one, signatures=(*one.signatures, *signed(OTHER).signatures))
    for order in (both, replace(both, signatures=both.signatures[::-1])):
        keys = [PUBLIC, OTHER_PUBLIC]
        assert dsse.verify_threshold(order, public_keys=keys, threshold=2, payload_type=TYPE) == PAYLOAD


def test_a_threshold_ignores_strangers_and_checks_the_type():
    """A signature by an unknown key neither helps nor hurts; another type is refused first."""
    both = replace(signed(), signatures=(*signed(OTHER).signatures, *signed().signatures))
    assert dsse.verify_threshold(both, public_keys=[PUBLIC], threshold=1, payload_type=TYPE) == PAYLOAD
    call = lambda: dsse.verify_threshold(both, public_keys=[PUBLIC], threshold=1, payload_type="a/b")  # noqa: E731
    assert reason(call) == "wrong_type"


@pytest.mark.parametrize("keyid", ["../../dev/null", "' OR 1=1 --", "k" * 129, "签", 'a"b', "a\\b", "a b", "\x00", None, 1, ["k"]])
def test_a5_a_hostile_keyid_is_refused(keyid):
    """Paths, SQL, long ones, control characters, other types."""
    changed = document()
    changed["signatures"][0]["keyid"] = keyid
    assert reason(lambda: check(json.dumps(changed).encode())) in {"bad_keyid", "not_ascii"}


@pytest.mark.parametrize("keyid", ["", "another", dsse.key_hint(OTHER_PUBLIC)])
def test_a5_the_keyid_decides_nothing(keyid):
    """Missing, unknown, or naming another key: the right key verifies, the named one does not."""
    changed = document()
    changed["signatures"][0]["keyid"] = keyid
    envelope = dsse.parse(json.dumps(changed).encode())
    assert dsse.verify(envelope, public_key=PUBLIC, payload_type=TYPE) == PAYLOAD
    assert reason(lambda: dsse.verify(envelope, public_key=OTHER_PUBLIC, payload_type=TYPE)) == "bad_signature"
    del changed["signatures"][0]["keyid"]
    assert check(json.dumps(changed).encode()) == PAYLOAD


def test_a7_another_key_and_another_type():
    """A checkpoint key's signature, and a right signature under another payload type."""
    assert reason(lambda: check(signed(OTHER).to_bytes())) == "bad_signature"
    other_type = signed(payload_type="application/vnd.qianfa.checkpoint.v1+json")
    assert reason(lambda: check(other_type.to_bytes())) == "wrong_type"
    assert reason(lambda: check(replace(other_type, payload_type=TYPE).to_bytes())) == "bad_signature"
    assert reason(lambda: check(signed(payload_type=TYPE.upper()).to_bytes())) == "wrong_type"


def test_a8_duplicate_keys_at_both_levels():
    """A second payload, type, list or signature is refused, whichever comes last."""
    data = signed().to_bytes().decode()
    evil = base64.b64encode(b"evil").decode()
    for broken in (
        data.replace('{"payload"', f'{{"payload":"{evil}","payload"'),
        data[:-1] + f',"payload":"{evil}"}}',
        data[:-1] + ',"payloadType":"a/b"}',
        data[:-1] + ',"signatures":[]}',
        data.replace('"sig"', '"sig":"","sig"'),
        data.replace('"keyid"', '"keyid":"a","keyid"'),
        data.replace('"payloadType"', '"\\u0070ayload":"","payloadType"'),
    ):
        assert reason(lambda broken=broken: check(broken.encode())) == "duplicate_key"


def test_unknown_keys_are_refused():
    """On the envelope and on the signature."""
    assert reason(lambda: check(json.dumps(document() | {"x": 1}).encode())) == "bad_shape"
    changed = document()
    changed["signatures"][0]["cert"] = "x"
    assert reason(lambda: check(json.dumps(changed).encode())) == "bad_shape"


@pytest.mark.parametrize(
    "alter",
    [
        lambda b: b + "=",
        lambda b: b.rstrip("="),
        lambda b: b[:4] + "\n" + b[4:],
        lambda b: b[:4] + " " + b[4:],
        lambda b: b + "AA==",
        lambda b: b[:-4] + "====",
        lambda b: "!" + b,
        lambda b: b + "A",
    ],
)
def test_base64_aliases_are_refused(alter):
    """Padding more or less, line breaks, spaces, trailing groups, for payload and signature."""
    changed = document()
    changed["signatures"][0]["sig"] = alter(changed["signatures"][0]["sig"])
    assert reason(lambda: check(json.dumps(changed).encode())) == "bad_base64"
    padded = json.loads(signed(payload=b"ab").to_bytes())
    padded["payload"] = alter(padded["payload"])
    assert reason(lambda: check(json.dumps(padded).encode())) == "bad_base64"


def test_base64_spare_bits_and_alphabets():
    """Spare bits set, and the URL alphabet within the envelope."""
    padded = json.loads(signed(payload=b"a").to_bytes())
    assert padded["payload"] == "YQ=="
    assert reason(lambda: check(json.dumps(padded | {"payload": "YR=="}).encode())) == "bad_base64"
    url = json.loads(signed(payload=b"\xfb\xff\xfe").to_bytes())
    assert reason(lambda: check(json.dumps(url | {"payload": "-__-"}).encode())) == "bad_base64"


def test_the_text_form_has_one_spelling():
    """Padding, the other alphabet, spaces, re-ordered or re-spaced JSON within, a second prefix: all refused."""
    envelope = signed(payload=b"\xfb\xff\xfe?>")
    text = dsse.encode_text(envelope)
    inner = envelope.to_bytes()

    def wrap(data: bytes) -> str:
        return "qf1." + base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    assert wrap(inner) == text
    spaced = json.dumps(json.loads(inner)).encode()
    no_hint = inner.replace(b'"keyid":"%b",' % envelope.signatures[0].keyid.encode(), b"")
    for broken in (
        text + "=",
        text + "\n",
        " " + text,
        text + "A",
        text + "AAAA",
        text.replace("qf1.", "qf1.qf1."),
        text.replace("qf1.", "QF1."),
        text[4:],
        "qf2." + text[4:],
        wrap(spaced),
        wrap(inner + b" "),
        wrap(no_hint),
        wrap(b"\xef\xbb\xbf" + inner),
        "",
        text[:10] + "\u0430" + text[11:],
        "qf1.",
        "qf1.A",
        wrap(json.dumps({k: json.loads(inner)[k] for k in ("signatures", "payloadType", "payload")}, separators=(",", ":")).encode()),
        wrap(inner.replace(b"application/", b"application\\/")),
    ):
        assert reason(lambda broken=broken: dsse.parse_text(broken)) in {
            "bad_prefix",
            "bad_base64",
            "not_canonical",
            "not_ascii",
            "not_json",
        }


def test_spare_bits_of_the_text_are_refused():
    """The last character's unused bits are zero."""
    for size in range(1, 4):
        text = dsse.encode_text(signed(payload=bytes(size)))
        if len(text[4:]) % 4:
            alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
            alias = text[:-1] + alphabet[alphabet.index(text[-1]) + 1]
            assert reason(lambda alias=alias: dsse.parse_text(alias)) == "not_canonical"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b'""',
        b"{",
        b"\xef\xbb\xbf{}",
        b"{}\x00",
        b'{"payload":NaN}',
        b'{"a":Infinity}',
        b"\xff\xfe{\x00}\x00",
        b'{"payload":"\\ud800","payloadType":"a/b","signatures":[]}',
        b'{"payloadType":"\xc0\xae"}',
        b"[" * 8192,
        b'{"a":' * 1600,
    ],
)
def test_a11_malformed_documents(data):
    """Empty, other JSON, cut off, BOM, NUL, NaN, UTF-16, lone surrogates, overlong UTF-8, deep nesting."""
    assert reason(lambda: dsse.parse(data)) in {"not_json", "not_ascii", "bad_shape", "bad_count", "bad_base64"}


def test_a11_trailing_bytes():
    """Spaces around are JSON; anything else is not."""
    data = signed().to_bytes()
    assert check(b" " + data + b"\n") == PAYLOAD
    for tail in (b"x", b"{}", b"\x00", b","):
        assert reason(lambda tail=tail: check(data + tail)) == "not_json"


def test_the_size_limit_is_exact_and_first():
    """8192 bytes pass, 8193 do not, in both forms; a smaller limit of the caller's holds as well."""
    data = signed().to_bytes()
    assert check(data + b" " * (8192 - len(data))) == PAYLOAD
    assert reason(lambda: dsse.parse(data + b" " * (8193 - len(data)))) == "too_large"
    assert reason(lambda: dsse.parse_text("qf1." + "A" * 10_925)) == "too_large"
    assert reason(lambda: dsse.parse_text("qf1." + "A" * 10_923)) != "too_large"
    assert reason(lambda: dsse.parse_text(dsse.encode_text(signed()), limit=100)) == "too_large"


@pytest.mark.parametrize("kind", ["", "a b", "类型", 'a"b', "x" * 200, None, 1])
def test_payload_types_are_plain(kind):
    """Anything that could be written two ways is refused."""
    assert reason(lambda: check(json.dumps(document() | {"payloadType": kind}).encode()))


def test_signatures_of_another_length_are_refused():
    """63, 65 and 71 bytes."""
    for size in (0, 63, 65, 71):
        changed = document()
        changed["signatures"][0]["sig"] = base64.b64encode(bytes(size)).decode()
        assert reason(lambda changed=changed: check(json.dumps(changed).encode())) == "bad_signature"


def test_a26_a_signature_with_s_above_the_group_order_is_refused():
    """Adding the order to S gives a second spelling of one signature, which must not verify."""
    envelope = signed()
    sig = envelope.signatures[0].sig
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(sig[32:], "little") + order
    alias = replace(envelope, signatures=(dsse.Signature(keyid="", sig=sig[:32] + scalar.to_bytes(32, "little")),))
    assert reason(lambda: dsse.verify(alias, public_key=PUBLIC, payload_type=TYPE)) == "bad_signature"


def test_errors_do_not_repeat_the_token():
    """An oversized or broken token never stands in the message."""
    with pytest.raises(SignatureInvalid) as caught:
        dsse.parse_text("qf1.canary" * 5000)
    assert "canary" not in str(caught.value) + repr(caught.value)


@given(st.binary(max_size=300), st.binary(min_size=62, max_size=66), st.from_regex(r"[A-Za-z0-9._:@+=-]{0,20}", fullmatch=True), st.data())
def test_the_short_way_through_a_text_and_the_long_one_agree(payload: bytes, sig: bytes, keyid: str, data: st.DataObject) -> None:
    """What is spelt like every token is read without a JSON parser; envelope and refusal are those of the parser, also one changed byte away."""
    document = bytearray(dsse.Envelope(payload_type="application/vnd.x+json", payload=payload, signatures=(dsse.Signature(keyid=keyid, sig=sig),)).to_bytes())
    if data.draw(st.booleans()):
        document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.sampled_from(b'"\\{}[]:,=+/A0 z\x00\xff'))
    text = dsse.PREFIX + base64.urlsafe_b64encode(document).rstrip(b"=").decode()

    def short() -> dsse.Envelope | str:
        try:
            return dsse.parse_text(text)
        except SignatureInvalid as error:
            return error.reason

    def long() -> dsse.Envelope | str:
        try:
            envelope = dsse.parse(bytes(document))
        except SignatureInvalid as error:
            return error.reason
        return envelope if dsse.encode_text(envelope) == text else "not_canonical"

    assert short() == long()


ORDER = 2**252 + 27742317777372353535851937790883648493
"""The order of Ed25519's base point (RFC 8032, 5.1)."""


def fits(signature: bytes, message: bytes, key: bytes = PUBLIC) -> bool:
    """Return what the gate's check says."""
    try:
        dsse.verify_raw(key, signature, message)
    except SignatureInvalid:
        return False
    return True


def fits_openssl(signature: bytes, message: bytes) -> bool:
    """Return what a stranger's check says: the evidence verifier's library."""
    try:
        KEY.public_key().verify(signature, message)
    except InvalidSignature:
        return False
    return True


@pytest.mark.parametrize("moved", [-64, -63, -1, 1, 2, len(PAYLOAD)])
def test_another_split_of_signature_and_message_does_not_fit(moved):
    """The library checks both in one piece: bytes that are moved from one to the other must not carry the signature with them."""
    whole = KEY.sign(PAYLOAD) + PAYLOAD
    assert fits(whole[:64], whole[64:])
    assert not fits(whole[: 64 + moved], whole[64 + moved :])


def test_a_second_signature_cannot_be_made_of_the_first():
    """S + L is the same scalar in another spelling (RFC 8032, 5.1.7): refused."""
    signature = KEY.sign(PAYLOAD)
    scalar = int.from_bytes(signature[32:], "little") + ORDER
    assert not fits(signature[:32] + scalar.to_bytes(32, "little"), PAYLOAD)


def test_a_signature_without_its_secret_half_is_refused():
    """R of small order is none that an honest signer makes. OpenSSL takes it; the gate asks for more than the stranger does, never for less."""
    seed = KEY.private_bytes_raw()
    secret = (int.from_bytes(hashlib.sha512(seed).digest()[:32], "little") & (2**254 - 8)) | 2**254
    neutral = (1).to_bytes(32, "little")
    h = int.from_bytes(hashlib.sha512(neutral + PUBLIC + PAYLOAD).digest(), "little")
    signature = neutral + (h * secret % ORDER).to_bytes(32, "little")
    assert fits_openssl(signature, PAYLOAD)
    assert not fits(signature, PAYLOAD)


@given(st.binary(max_size=200), st.integers(0, 511), st.integers(0, 255), st.binary(max_size=3))
def test_the_gate_and_a_stranger_agree(message, bit, byte, more):
    """What one library takes the other takes; an altered signature or message neither."""
    signature = KEY.sign(message)
    assert fits(signature, message)
    assert fits_openssl(signature, message)
    flipped = bytearray(signature)
    flipped[bit // 8] ^= 1 << bit % 8
    for one, text in ((bytes(flipped), message), (signature, message + more + bytes([byte])), (signature[:-1] + bytes([byte]), message), (more, message)):
        assert fits(one, text) == fits_openssl(one, text) == (one == signature and text == message)
