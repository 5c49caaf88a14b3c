"""Envelope encryption: published vectors through our own functions, and every way to move or alter a record."""

import contextlib
import itertools
import struct
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault import envelope
from vault.envelope import EnvelopeRecord
from vault.errors import SecretRefused, Tampered

TERM_KEY = bytes(range(32))
PLACE = {"deployment": "dep_a", "secret_id": "cred_a", "version": 3}


def counting():
    counter = itertools.count(1)
    return lambda length: bytes([next(counter)]) * length


def sealed(secret: bytes = b"s3cret", **changes) -> EnvelopeRecord:
    return envelope.seal(secret, **({**PLACE, "term": 1, "term_key": TERM_KEY, "random": counting()} | changes))


def test_nist_gcm_vectors_decrypt_or_fail_as_printed(vectors):
    """All NIST decrypt cases of our sizes, through `gcm_decrypt`; cases marked FAIL raise."""
    passed = failed = 0
    for headers, case in vectors("ciphers/AES/GCM/gcmDecrypt256.rsp"):
        if headers["IVlen"] != "96" or headers["Taglen"] != "128":
            continue
        key, iv, ct, aad, tag = (bytes.fromhex(case[name]) for name in ("Key", "IV", "CT", "AAD", "Tag"))
        if "FAIL" in case:
            with pytest.raises(Tampered):
                envelope.gcm_decrypt(key, iv, ct + tag, aad)
            failed += 1
        else:
            assert envelope.gcm_decrypt(key, iv, ct + tag, aad).hex() == case["PT"]
            passed += 1
    assert passed > 100
    assert failed > 100


def test_nist_gcm_vectors_encrypt(vectors):
    """All NIST encrypt cases of our sizes, through `gcm_encrypt`."""
    count = 0
    for headers, case in vectors("ciphers/AES/GCM/gcmEncryptExtIV256.rsp"):
        if headers["IVlen"] == "96" and headers["Taglen"] == "128":
            key, iv, pt, aad = (bytes.fromhex(case[name]) for name in ("Key", "IV", "PT", "AAD"))
            assert envelope.gcm_encrypt(key, iv, pt, aad).hex() == case["CT"] + case["Tag"]
            count += 1
    assert count > 300


@pytest.mark.parametrize("name", ["KWP_AD_256", "KWP_AE_256", "KWP_AD_192", "KWP_AD_128"])
def test_nist_key_wrap_vectors(vectors, name):
    """NIST SP 800-38F key wrap with padding, both directions, failing cases included."""
    passed = failed = 0
    for _, case in vectors(f"keywrap/kwtestvectors/{name}.txt"):
        key, wrapped = bytes.fromhex(case["K"]), bytes.fromhex(case["C"])
        if "FAIL" in case:
            with pytest.raises(Tampered):
                envelope.kwp_unwrap(key, wrapped)
            failed += 1
        else:
            assert envelope.kwp_unwrap(key, wrapped).hex() == case["P"]
            assert envelope.kwp_wrap(key, bytes.fromhex(case["P"])) == wrapped
            passed += 1
    assert passed > 50
    assert failed > 50 or "AE" in name


def test_rfc5649_vectors(vectors):
    """RFC 5649 section 6, with the others Botan ships."""
    cases = [case for _, case in vectors("keywrap/kwp_botan.txt")]
    assert len(cases) >= 10
    for case in cases:
        key, plain, wrapped = (bytes.fromhex(case[name]) for name in ("Key", "Input", "Output"))
        assert envelope.kwp_wrap(key, plain) == wrapped
        assert envelope.kwp_unwrap(key, wrapped) == plain


@pytest.mark.parametrize("name", ["KDF/rfc-5869-HKDF-SHA256.txt", "KDF/hkdf-generated.txt"])
def test_rfc5869_vectors(vectors, name):
    """RFC 5869 appendix A for SHA-256, and a long one."""
    cases = [case for _, case in vectors(name) if case["Hash"] == "SHA-256"]
    assert cases
    for case in cases:
        salt, info = bytes.fromhex(case["salt"]), bytes.fromhex(case["info"])
        okm = envelope.hkdf_sha256(bytes.fromhex(case["IKM"]), salt=salt, info=info, length=int(case["L"]))
        assert okm.hex() == case["OKM"]


@given(st.binary(max_size=2000), st.integers(1, 2**63 - 1), st.integers(0, 2**32 - 1), st.binary(min_size=32, max_size=32))
@settings(max_examples=60)
def test_what_is_sealed_opens_at_its_place(secret, version, term, key):
    """Any secret, version, term and key, through the bytes."""
    record = sealed(secret, version=version, term=term, term_key=key)
    again = EnvelopeRecord.parse(record.to_bytes())
    assert again == record
    assert again.term == term
    assert envelope.open_record(again, deployment="dep_a", secret_id="cred_a", version=version, term_key=key) == secret


@pytest.mark.parametrize(
    "place",
    [
        {"deployment": "dep_b"},
        {"secret_id": "cred_b"},
        {"version": 2},
        {"version": 4},
        {"deployment": "dep_acr", "secret_id": "ed_a"},
        {"deployment": "", "secret_id": "dep_acred_a"},
    ],
)
def test_another_place_does_not_open(place):
    """Other deployment, secret or version, and shifts across the boundary of two names."""
    with pytest.raises(Tampered) as caught:
        envelope.open_record(sealed(), **(PLACE | place), term_key=TERM_KEY)
    assert caught.value.reason == "tag"


def test_every_flipped_byte_is_noticed():
    """Each byte of the stored record, each with three masks; the term number alone is the keyring's to judge."""
    stored = sealed().to_bytes()
    for index in range(len(stored)):
        for mask in (0x01, 0x80, 0xFF):
            broken = bytearray(stored)
            broken[index] ^= mask
            if 4 <= index < 8:
                assert EnvelopeRecord.parse(bytes(broken)).term != 1
                continue
            with pytest.raises(Tampered):
                envelope.open_record(EnvelopeRecord.parse(bytes(broken)), **PLACE, term_key=TERM_KEY)


def test_every_truncation_and_extension_is_malformed():
    """No prefix parses, and no spare byte is allowed."""
    stored = sealed().to_bytes()
    for broken in [*(stored[:n] for n in range(len(stored))), stored + b"\0", stored[:4] + stored]:
        with pytest.raises(Tampered) as caught:
            EnvelopeRecord.parse(broken)
        assert caught.value.reason == "malformed"
    with pytest.raises(Tampered):
        EnvelopeRecord.parse(bytes(envelope.MAX_SECRET + 1000))


@given(st.binary(max_size=300))
def test_any_bytes_parse_to_themselves_or_are_refused(data):
    """One record has one encoding."""
    for candidate in (data, envelope.MAGIC + data):
        with contextlib.suppress(Tampered):
            assert EnvelopeRecord.parse(candidate).to_bytes() == candidate


def test_a_wrong_commitment_is_found_before_decrypting():
    """The commitment is compared first, even where the ciphertext would open."""
    record = replace(sealed(), commitment=bytes(32))
    with pytest.raises(Tampered) as caught:
        envelope.open_record(record, **PLACE, term_key=TERM_KEY)
    assert caught.value.reason == "commitment"
    with pytest.raises(Tampered) as caught:
        envelope.rewrap(record, old_key=TERM_KEY, term=2, term_key=bytes(32))
    assert caught.value.reason == "commitment"


def test_a_data_key_swapped_in_from_another_record_is_found():
    """A wrap that opens but belongs to another record fails at the commitment."""
    other = envelope.seal(b"x", **PLACE, term=1, term_key=TERM_KEY, random=lambda n: b"\xaa" * n)
    with pytest.raises(Tampered) as caught:
        envelope.open_record(replace(sealed(), wrapped_key=other.wrapped_key), **PLACE, term_key=TERM_KEY)
    assert caught.value.reason == "commitment"


def test_a_shorter_data_key_is_refused():
    """A wrap of a short key under the right term key is not used."""
    short = envelope.kwp_wrap(TERM_KEY, bytes(25))
    assert len(short) == envelope.WRAP_LENGTH
    with pytest.raises(Tampered) as caught:
        envelope.open_record(replace(sealed(), wrapped_key=short), **PLACE, term_key=TERM_KEY)
    assert caught.value.reason == "wrap"


def test_the_wrong_term_key_opens_nothing():
    """Another key fails at the wrap."""
    with pytest.raises(Tampered) as caught:
        envelope.open_record(sealed(), **PLACE, term_key=bytes(32))
    assert caught.value.reason == "wrap"


def test_rewrapping_moves_the_key_and_nothing_else():
    """After rewrapping only the new term opens it, and the ciphertext is the same bytes."""
    record = sealed()
    moved = envelope.rewrap(record, old_key=TERM_KEY, term=2, term_key=bytes(32))
    assert (moved.ciphertext, moved.nonce, moved.commitment) == (record.ciphertext, record.nonce, record.commitment)
    assert moved.term == 2
    assert envelope.open_record(moved, **PLACE, term_key=bytes(32)) == b"s3cret"
    with pytest.raises(Tampered):
        envelope.open_record(moved, **PLACE, term_key=TERM_KEY)


def test_two_seals_share_nothing():
    """Fresh data key and nonce each time."""
    random = counting()
    one, two = sealed(random=random), sealed(random=random)
    assert one.wrapped_key != two.wrapped_key
    assert one.nonce != two.nonce
    assert one.ciphertext != two.ciphertext


def test_wrong_lengths_are_refused():
    """Secrets over 64 KiB, keys and nonces of other lengths, terms that do not fit."""
    for attempt in (
        lambda: sealed(bytes(envelope.MAX_SECRET + 1)),
        lambda: sealed(term_key=bytes(16)),
        lambda: sealed(term=2**32),
        lambda: sealed(term=-1),
        lambda: envelope.gcm_encrypt(bytes(16), bytes(12), b"", b""),
        lambda: envelope.gcm_encrypt(bytes(32), bytes(8), b"", b""),
        lambda: envelope.gcm_decrypt(bytes(32), bytes(16), bytes(16), b""),
        lambda: envelope.gcm_decrypt(bytes(16), bytes(12), bytes(16), b""),
    ):
        with pytest.raises(SecretRefused):
            attempt()
    assert len(sealed(bytes(envelope.MAX_SECRET)).ciphertext) == envelope.MAX_SECRET + 16


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_length_prefixes_keep_lists_apart(one, two):
    """Two lists give the same bytes only when they are the same list."""
    assert (envelope.length_prefixed(*one) == envelope.length_prefixed(*two)) == (one == two)


def test_additional_data_is_exactly_this():
    """The layout of docs/spec/envelope.md, spelt out."""
    expected = b"".join(struct.pack(">I", len(part)) + part for part in (b"qianfa/envelope/v1", b"dep_a", b"cred_a", struct.pack(">Q", 3)))
    assert envelope.associated_data("dep_a", "cred_a", 3) == expected
