"""The list of leases by itself."""

import pytest

from vault.errors import SecretRefused
from vault.leases import LeaseInfo, Leases
from vault.secretbytes import SecretBytes


def info(purpose: str = "p", version: int = 1) -> LeaseInfo:
    return LeaseInfo(secret_id="cred_a", version=version, purpose=purpose)


def test_leases_are_listed_oldest_first_and_end_together():
    """Two leases, both wiped by `end_all`."""
    leases = Leases()
    one, two = SecretBytes(b"1"), SecretBytes(b"2")
    with leases.hold(info(), one), leases.hold(info(version=2), two):
        assert leases.current == (info(), info(version=2))
        leases.end_all()
        assert leases.current == ()
        assert one.gone
        assert two.gone


def test_without_a_purpose_the_secret_is_wiped_at_once():
    """Refused and not left lying about."""
    secret = SecretBytes(b"1")
    with pytest.raises(SecretRefused), Leases().hold(info(""), secret):
        pass
    assert secret.gone
