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
    leases.begin(info(), one)
    leases.begin(info(version=2), two)
    assert leases.current == (info(), info(version=2))
    leases.end_all()
    assert leases.current == ()
    assert one.gone
    assert two.gone


def test_a_lease_ends_alone_and_may_end_twice():
    """The other one stays on the list and readable; a block that ends after sealing does no harm."""
    leases = Leases()
    one, two = SecretBytes(b"1"), SecretBytes(b"2")
    leases.begin(info(), one)
    leases.begin(info(version=2), two)
    leases.end(one)
    leases.end(one)
    assert one.gone
    assert two.expose() == b"2"
    assert leases.current == (info(version=2),)


def test_without_a_purpose_the_secret_is_wiped_at_once():
    """Refused and not left lying about."""
    secret, leases = SecretBytes(b"1"), Leases()
    with pytest.raises(SecretRefused):
        leases.begin(info(" "), secret)
    assert secret.gone
    assert leases.current == ()
