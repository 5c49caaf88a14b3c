"""Stored rows are held to the log, row by row."""

import pytest

from vault.errors import SecretRefused, Tampered
from vault.rows import SealedRow, check_name, check_rows, digest, expected_of

A = SealedRow(secret_id="cred_a", version=1, row=b"one")
B = SealedRow(secret_id="cred_b", version=1, row=b"two")


def test_a_digest_is_named():
    """The digest form is `sha256:` and hex, as in the log."""
    assert digest(b"") == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert A.sha256 == digest(b"one")


def test_exactly_the_expected_rows_pass():
    """Order does not matter."""
    check_rows([B, A], expected_of([A, B]))
    check_rows([], {})


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([A], "row_missing"),
        ([A, B, SealedRow(secret_id="cred_c", version=1, row=b"")], "row_unexpected"),
        ([A, SealedRow(secret_id="cred_b", version=2, row=b"two")], "row_unexpected"),
        ([A, SealedRow(secret_id="cred_b", version=1, row=b"old")], "row_altered"),
        ([SealedRow(secret_id="cred_a", version=1, row=b"two"), SealedRow(secret_id="cred_b", version=1, row=b"one")], "row_altered"),
        ([A, A, B], "row_repeated"),
    ],
)
def test_any_difference_is_tampering(rows, reason):
    """Missing, added, altered, swapped, repeated."""
    with pytest.raises(Tampered) as caught:
        check_rows(rows, expected_of([A, B]))
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("secret_id", "version", "reason"),
    [
        ("", 1, "bad_id"),
        ("a b", 1, "bad_id"),
        ("微信", 1, "bad_id"),
        ("ａ", 1, "bad_id"),
        ("a\n", 1, "bad_id"),
        ("/a", 1, "bad_id"),
        ("a" * 129, 1, "bad_id"),
        ("a", 0, "bad_version"),
        ("a", -1, "bad_version"),
        ("a", True, "bad_version"),
        ("a", 1.0, "bad_version"),
        ("a", 2**63, "bad_version"),
    ],
)
def test_other_names_are_refused(secret_id, version, reason):
    """Ids are short ASCII, versions are positive integers of 63 bits."""
    with pytest.raises(SecretRefused) as caught:
        check_name(secret_id, version)
    assert caught.value.reason == reason


def test_usual_names_pass():
    """Prefixed ids as the gateway makes them."""
    check_name("cred_01HZ-abc.d:e/f", 2**63 - 1)
