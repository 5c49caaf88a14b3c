"""One-time codes: the RFC's vectors, single use, and pyotp's traps shut."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from vault import totp
from vault.errors import CodeRefused

SECRET = b"12345678901234567890"
VECTORS = Path(__file__).parents[1] / "vectors" / "totp"
NOW = datetime(2026, 3, 1, 12, 0, 10, tzinfo=UTC)
STEP = totp.step_at(NOW)


def refused(call) -> str:
    with pytest.raises(CodeRefused) as caught:
        call()
    return caught.value.reason


def verify(code: str, last_step: int | None = None, at: datetime = NOW) -> int:
    return totp.verify(SECRET, code, at=at, last_step=last_step)


def test_rfc6238_vectors(vectors):
    """Appendix B for SHA-1: the last six of the eight printed digits, and they verify at their instant."""
    cases = [case for _, case in vectors("twofactor/rfc-6238.txt") if case["MODE"] == "SHA1"]
    assert len(cases) == 6
    for case in cases:
        at = datetime.fromtimestamp(int(case["TIME"]), UTC)
        code = case["TOTP"][-6:]
        assert totp.code_at(SECRET, totp.step_at(at)) == code
        assert verify(code, at=at) == totp.step_at(at)


def test_rfc4226_vectors(vectors):
    """Appendix D: the counter values."""
    cases = [case for _, case in vectors("twofactor/rfc-4226.txt")]
    assert len(cases) == 10
    for case in cases:
        assert totp.code_at(SECRET, int(case["COUNTER"])) == case["HOTP"]


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_the_window_is_one_step_to_either_side(offset):
    """Three steps are accepted and named."""
    assert verify(totp.code_at(SECRET, STEP + offset)) == STEP + offset


@pytest.mark.parametrize("offset", [-2, 2, -10, 1000])
def test_codes_outside_the_window_are_wrong(offset):
    """Too old, too new."""
    assert refused(lambda: verify(totp.code_at(SECRET, STEP + offset))) == "wrong"


def test_a_code_counts_once():
    """The same step and every earlier one are refused; the next is taken."""
    code = totp.code_at(SECRET, STEP)
    accepted = verify(code)
    assert refused(lambda: verify(code, last_step=accepted)) == "reused"
    assert refused(lambda: verify(code, last_step=accepted, at=NOW + timedelta(seconds=30))) == "reused"
    assert refused(lambda: verify(totp.code_at(SECRET, STEP - 1), last_step=accepted)) == "reused"
    assert verify(totp.code_at(SECRET, STEP + 1), last_step=accepted) == STEP + 1


def test_pyotp_alone_would_fall_into_each_trap():
    """Why this module exists: pyotp accepts a code twice, and in full-width or bold digits."""
    plain = pyotp.TOTP(pyotp.random_base32())
    code = plain.at(NOW)
    assert plain.verify(code, for_time=NOW)
    assert plain.verify(code, for_time=NOW)
    assert plain.verify(code.translate({48 + i: 0xFF10 + i for i in range(10)}), for_time=NOW)
    assert plain.verify(code.translate({48 + i: 0x1D7CE + i for i in range(10)}), for_time=NOW)


def aliases(code: str) -> list[str]:
    digits = [{48 + i: base + i for i in range(10)} for base in (0xFF10, 0x1D7CE, 0x0660, 0x0966, 0x1D7D8)]
    return [
        *(code.translate(table) for table in digits),
        code[:5] + code[5].translate(digits[0]),
        " " + code,
        code + " ",
        code + "\n",
        code[:3] + " " + code[3:],
        "\u200b" + code,
        "+" + code,
        code + "\0",
        code[:5],
        code + "0",
        "",
        "0x" + code[2:],
        f"{code[:3]}-{code[3:]}",
        code[:5] + "a",
        code + "\u0301",
    ]


def test_every_other_spelling_is_malformed():
    """Full-width, bold, Arabic, Devanagari, padded, split, short and long forms of the right code."""
    for alias in aliases(totp.code_at(SECRET, STEP)):
        assert refused(lambda alias=alias: verify(alias)) == "malformed"


@pytest.mark.parametrize("name", ["shared_by_neighbours", "shared_by_edges"])
def test_a_code_shared_by_two_steps_is_used_up_with_the_later(name):
    """Where two steps of one window share their digits, accepting spends both."""
    vector = json.loads((VECTORS / f"{name}.json").read_text())
    step, other = vector["steps"]
    secret, code = bytes.fromhex(vector["secret"]), vector["code"]
    assert totp.code_at(secret, step) == totp.code_at(secret, other) == code
    at = datetime.fromtimestamp((step + 1) * 30, UTC)
    accepted = totp.verify(secret, code, at=at, last_step=None)
    assert accepted == other
    assert refused(lambda: totp.verify(secret, code, at=at, last_step=accepted)) == "reused"
    assert totp.verify(secret, code, at=at, last_step=step) == other


def test_the_first_steps_of_time_do_not_break():
    """At the epoch there is no step before the first."""
    epoch = datetime.fromtimestamp(0, UTC)
    assert verify(totp.code_at(SECRET, 0), at=epoch) == 0
    assert refused(lambda: verify("000000", at=epoch)) == "wrong"


def test_an_instant_needs_its_zone():
    """A naive time would mean another step on another machine."""
    with pytest.raises(ValueError):
        verify("000000", at=datetime(2026, 3, 1))  # noqa: DTZ001


def test_enrolment_carries_160_bits_and_shows_nothing():
    """The address names account and issuer, its secret verifies in pyotp, and `repr` hides both."""
    enrolment = totp.enrol(account="张三", issuer="签发 Qianfa")
    parts = urlsplit(enrolment.uri)
    query = parse_qs(parts.query)
    assert (parts.scheme, parts.netloc) == ("otpauth", "totp")
    assert query["issuer"] == ["签发 Qianfa"]
    secret = enrolment.secret.expose()
    assert len(secret) == 20
    assert totp.code_at(secret, STEP) == pyotp.TOTP(query["secret"][0]).at(NOW)
    assert pyotp.parse_uri(enrolment.uri).now()
    assert query["secret"][0] not in repr(enrolment)
    assert totp.enrol(account="a", issuer="b").uri != totp.enrol(account="a", issuer="b").uri


def test_the_drawing_is_plain_svg():
    """One svg element, no script, no style attribute, no reference outwards, no text of the address."""
    enrolment = totp.enrol(account="a", issuer="b")
    drawing = totp.qr_svg(enrolment.uri)
    assert re.fullmatch(r"<svg [^>]*>(<path [^>]*/>)+</svg>", drawing)
    assert not re.search(r"script|style|href|otpauth|class", drawing)


def test_recovery_codes_work_once_each_in_any_order():
    """Ten codes of 128 bits; what remains is what was not used."""
    new = totp.new_recovery_codes()
    assert len(set(new.codes)) == len(set(new.hashes)) == 10
    assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", kept) for kept in new.hashes)
    left = new.hashes
    for count, code in enumerate(reversed(new.codes), 1):
        left = totp.use_recovery_code(code.lower().replace("-", " "), left)
        assert len(left) == 10 - count
        assert refused(lambda code=code, left=left: totp.use_recovery_code(code, left)) == "wrong"
    assert left == ()
    assert new.codes[0] not in repr(new)


def test_other_recovery_codes_are_refused():
    """Malformed and unknown."""
    hashes = totp.new_recovery_codes().hashes
    for code in ("", "123456", "签发" * 13, "0" * 25, "Z" * 26):
        assert refused(lambda code=code: totp.use_recovery_code(code, hashes)) == "malformed"
    assert refused(lambda: totp.use_recovery_code("0" * 26, hashes)) == "wrong"
    assert refused(lambda: totp.use_recovery_code("0" * 26, ())) == "wrong"
