"""Passwords: policy, verification, equal work for nobody, and stored hashes nobody here made."""

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from vault import passwords
from vault.errors import PasswordRefused, Tampered
from vault.passwords import Passwords, check_policy
from vault.slots import Argon2Cost

CHEAP = Argon2Cost(time_cost=1, memory_kib=64, lanes=1)
GOOD = "一个足够长的登录密码吧好的"


@pytest.fixture(scope="module")
def cheap_passwords() -> Passwords:
    return Passwords(cost=CHEAP)


def refused(call) -> str:
    with pytest.raises(PasswordRefused) as caught:
        call()
    return caught.value.reason


def test_a_password_verifies_and_another_does_not(cheap_passwords):
    """Right, wrong, and an unknown person, with one reason for the last two."""
    stored = cheap_passwords.hash(GOOD)
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert not cheap_passwords.verify(stored, GOOD).needs_rehash
    assert refused(lambda: cheap_passwords.verify(stored, GOOD + "x")) == "wrong"
    assert refused(lambda: cheap_passwords.verify(None, GOOD)) == "wrong"
    assert refused(lambda: cheap_passwords.verify(None, "")) == "wrong"


def test_nfc_and_nfd_are_one_password(cheap_passwords):
    """What keyboards send differently counts the same."""
    stored = cheap_passwords.hash("cafe\u0301 und mehr")
    cheap_passwords.verify(stored, "caf\u00e9 und mehr")


def test_full_width_is_another_password(cheap_passwords):
    """Compatibility forms are not folded: that would shrink what people chose."""
    stored = cheap_passwords.hash("abcdefgh12345")
    assert refused(lambda: cheap_passwords.verify(stored, "ａbcdefgh12345")) == "wrong"


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("", "too_short"),
        ("abcdefghijk", "too_short"),
        ("e\u0301" * 11, "too_short"),
        ("abcdefg" * 19, "too_long"),
        ("abcdefghijk\n", "control"),
        ("abcdefghij\0k", "control"),
        ("abcdefghijk\ud800", "control"),
        ("abababababab", "monotonous"),
        ("ZHANGSAN-secret", "context"),
        ("密码是张三丰先生的好密码吗", "context"),
    ],
)
def test_policy(cheap_passwords, password, reason):
    """Length, controls, monotony, and the person's own words; short words do not count."""
    context = ("zhangsan", "张三丰先生", "li")
    assert refused(lambda: check_policy(password, context=context)) == reason
    assert refused(lambda: cheap_passwords.hash(password, context=context)) == reason


def test_policy_lets_good_ones_pass():
    """12 and 128 characters, spaces, emoji, a two-letter context."""
    for password in ("abcdefghijkl", "abcdefgh" * 16, "correct horse 🐎 battery", "living in lisbon"):
        check_policy(password, context=("li",))


def test_an_unknown_person_costs_the_same_run(cheap_passwords, monkeypatch):
    """Argon2 runs once at the same cost for known, unknown and over-long input."""
    runs = []
    real = PasswordHasher.verify
    monkeypatch.setattr(PasswordHasher, "verify", lambda self, h, p: runs.append(h[:27]) or real(self, h, p))
    stored = cheap_passwords.hash(GOOD)
    for who, password in ((stored, "wrong password"), (None, "wrong password"), (None, "x" * 1_000_000), (stored, "x" * 129)):
        refused(lambda who=who, password=password: cheap_passwords.verify(who, password))
    assert len(runs) == 4
    assert len(set(runs)) == 1


def test_the_empty_password_hash_of_nobody_opens_nothing(cheap_passwords):
    """The dummy hash is of a value nobody can send, and would be refused if met."""
    assert refused(lambda: cheap_passwords.verify(None, "")) == "wrong"
    real = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    nobody = Passwords(cost=CHEAP)
    nobody._nobody = real.hash(nobody._prepare(GOOD))
    assert refused(lambda: nobody.verify(None, GOOD)) == "wrong"


def test_a_raised_cost_asks_for_a_new_hash(cheap_passwords):
    """The old hash still verifies."""
    stronger = Passwords(cost=Argon2Cost(time_cost=2, memory_kib=64, lanes=1))
    assert stronger.verify(cheap_passwords.hash(GOOD), GOOD).needs_rehash


def test_default_cost():
    """RFC 9106's second option."""
    assert Passwords()._nobody.startswith("$argon2id$v=19$m=65536,t=3,p=4$")


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "plain",
        "$2b$12$abc",
        "$argon2id$v=19$m=64,t=1,p=1$bad",
        "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=64,t=100000,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=19$m=1024,t=1,p=100$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA",
        PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=Type.I).hash(GOOD, salt=b"a fixed salt 16b"),
    ],
)
def test_a_stored_hash_not_ours_is_tampering(cheap_passwords, stored, monkeypatch):
    """Another scheme, another variant, absurd parameters: refused before any work."""
    monkeypatch.setattr(PasswordHasher, "verify", None)
    with pytest.raises(Tampered) as caught:
        cheap_passwords.verify(stored, GOOD)
    assert caught.value.reason == "password_hash"


def test_a_pepper_binds_hashes_to_the_vault(new, cheap_passwords):
    """With the vault's `mac` the same password verifies only through that vault."""
    peppered = Passwords(cost=CHEAP, pepper=new.vault.mac)
    stored = peppered.hash(GOOD)
    peppered.verify(stored, GOOD)
    assert refused(lambda: cheap_passwords.verify(stored, GOOD)) == "wrong"
    assert refused(lambda: peppered.verify(cheap_passwords.hash(GOOD), GOOD)) == "wrong"


def test_errors_never_repeat_the_password(cheap_passwords):
    """Message and repr carry the reason only."""
    with pytest.raises(PasswordRefused) as caught:
        cheap_passwords.verify(None, "canary-password-1")
    assert "canary" not in str(caught.value) + repr(caught.value)
    assert passwords.MIN_LENGTH == 12
