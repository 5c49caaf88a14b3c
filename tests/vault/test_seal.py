"""The vault as a whole: life, secrets, keys, rotation, and the attacks of the catalogue's part F."""

import hmac
import itertools
import os
import pickle
import threading
import time
import traceback
from dataclasses import replace

import pytest

from vault import dsse, slots
from vault.errors import (
    AlreadyUnsealed,
    Sealed,
    SecretGone,
    SecretRefused,
    SlotRefused,
    Tampered,
    TermRefused,
    VaultError,
    WrongKey,
)
from vault.keyring import terms_in_use
from vault.rows import SealedRow, expected_of
from vault.seal import KeyName, Vault
from vault.secretbytes import SecretBytes
from vault.slots import SlotSecret

CANARY = b"wx-appsecret-canary-77"


def put(vault: Vault, secret_id: str = "cred_a", version: int = 1, secret: bytes = CANARY) -> SealedRow:
    return vault.put(secret_id=secret_id, version=version, secret=SecretBytes(secret))


def read(vault: Vault, row: SealedRow, /, **changes) -> bytes:
    given = {"secret_id": row.secret_id, "version": row.version, "row": row.row, "expected_sha256": row.sha256, "purpose": "test"}
    with vault.lease(**(given | changes)) as secret:
        return secret.expose()


def reopened(new, cheap, secret, rows=None) -> Vault:
    vault = Vault(deployment="dep_test", argon2=cheap)
    rows = new.rows if rows is None else rows
    vault.unseal(secret, rows=rows, expected=expected_of(rows))
    return vault


# -- life --


def test_a_new_vault_is_open_and_its_rows_open_it_again(new, cheap, passphrase):
    """What was put before is readable after, with the same keys."""
    row = put(new.vault)
    assert [r.secret_id for r in new.rows][:4] == [
        "vault/keyring",
        "vault/key/approval",
        "vault/key/checkpoint",
        "vault/key/pepper",
    ]
    vault = reopened(new, cheap, passphrase)
    assert read(vault, row) == CANARY
    assert vault.mac(b"m") == new.vault.mac(b"m")
    for name in (KeyName.APPROVAL, KeyName.CHECKPOINT):
        assert vault.public_key(name) == new.public_keys[name]


def test_each_kind_of_slot_unseals(new, cheap, passphrase, tmp_path):
    """Passphrase, recovery key and key file; unseal names the slot."""
    slots.create_key_file(tmp_path / "key")
    recovery = SlotSecret.from_recovery_key(slots.new_recovery_key())
    key_file = SlotSecret.from_key_file(tmp_path / "key")
    rows = [*new.rows, new.vault.new_slot(recovery), new.vault.new_slot(key_file)]
    names = set()
    for secret in (passphrase, recovery, key_file):
        vault = Vault(deployment="dep_test", argon2=cheap)
        names.add("vault/slot/" + vault.unseal(secret, rows=rows, expected=expected_of(rows)))
        assert not vault.sealed
    assert names == {row.secret_id for row in rows[4:]}


def test_sealed_means_nothing_works_but_public_keys(new):
    """Every use raises `Sealed`; public keys stay; sealing twice is harmless."""
    vault, row = new.vault, put(new.vault)
    prepared = vault.prepare_rotation()
    vault.seal()
    vault.seal()
    assert vault.sealed
    for use in (
        lambda: put(vault),
        lambda: read(vault, row),
        lambda: vault.sign(KeyName.APPROVAL, b""),
        lambda: vault.mac(b""),
        lambda: vault.prepare_key(KeyName.PEPPER),
        vault.prepare_rotation,
        lambda: vault.prepare_retirement(1, {}),
        lambda: vault.adopt(prepared, expected_sha256=prepared.sha256),
        lambda: vault.terms,
        lambda: vault.rewrap(row, expected_sha256=row.sha256),
        lambda: vault.new_slot(SlotSecret.from_passphrase("another passphrase")),
    ):
        with pytest.raises(Sealed):
            use()
    assert vault.public_key(KeyName.APPROVAL) == new.public_keys[KeyName.APPROVAL]


def test_sealing_wipes_keys_in_memory(new):
    """Root, terms and seeds are gone after sealing."""
    opened = new.vault._opened
    new.vault.seal()
    assert opened.root.gone
    assert all(key.gone for key in (*opened.keyring.terms.values(), *opened.seeds.values()))
    assert opened.signers == {}


def test_a_vault_never_opened_knows_no_public_key(cheap):
    """Before the first unseal there is nothing to show."""
    with pytest.raises(Sealed):
        Vault(deployment="dep_test", argon2=cheap).public_key(KeyName.APPROVAL)


def test_a_vault_needs_a_slot(cheap):
    """Nobody could open it."""
    with pytest.raises(SlotRefused) as caught:
        Vault.initialise(deployment="d", secrets=[], argon2=cheap)
    assert caught.value.reason == "no_slot"


def test_an_open_vault_is_not_opened_again(new, passphrase):
    """Seal it first."""
    with pytest.raises(AlreadyUnsealed):
        new.vault.unseal(passphrase, rows=new.rows, expected=expected_of(new.rows))


def test_two_unseals_at_once_open_it_once(new, cheap, passphrase, monkeypatch):
    """The slower one finds the vault open and wipes what it had."""
    vault, real, roots = Vault(deployment="dep_test", argon2=cheap), slots.open_any, []

    def slow(*arguments, **options):
        monkeypatch.setattr(slots, "open_any", real)
        vault.unseal(passphrase, rows=new.rows, expected=expected_of(new.rows))
        roots.append(real(*arguments, **options))
        return roots[0]

    monkeypatch.setattr(slots, "open_any", slow)
    with pytest.raises(AlreadyUnsealed):
        vault.unseal(passphrase, rows=new.rows, expected=expected_of(new.rows))
    assert roots[0][1].gone
    assert not vault.sealed
    assert vault.sign(KeyName.APPROVAL, b"m")


def test_a_failed_unseal_changes_nothing(new, cheap, passphrase):
    """Public keys known from before stay when a later unseal fails."""
    vault = reopened(new, cheap, passphrase)
    vault.seal()
    broken = [*new.rows[:3], replace(new.rows[3], row=new.rows[2].row), *new.rows[4:]]
    with pytest.raises(Tampered):
        vault.unseal(passphrase, rows=broken, expected=expected_of(broken))
    assert vault.sealed
    assert vault.public_key(KeyName.APPROVAL) == new.public_keys[KeyName.APPROVAL]


def test_leases_from_many_threads_end_when_sealed(new):
    """Eight threads lease and use while one seals: each sees its secret, `Sealed` or `SecretGone`, and nothing stays open."""
    row, seen = put(new.vault), set()

    def work() -> None:
        try:
            while True:
                seen.add(read(new.vault, row))
        except (Sealed, SecretGone) as stopped:
            seen.add(type(stopped))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    while CANARY not in seen:
        time.sleep(0.001)
    new.vault.seal()
    for thread in threads:
        thread.join(10)
    assert seen <= {CANARY, Sealed, SecretGone}
    assert len(seen) >= 2
    assert new.vault.open_leases == ()


def test_a_wrong_passphrase_leaves_it_sealed(new, cheap):
    """One answer, nothing learnt."""
    vault = Vault(deployment="dep_test", argon2=cheap)
    with pytest.raises(WrongKey):
        vault.unseal(SlotSecret.from_passphrase("not the passphrase"), rows=new.rows, expected=expected_of(new.rows))
    assert vault.sealed


def test_defaults_are_the_strong_ones():
    """Without a policy the RFC 9106 cost is used, and a cheap slot is refused."""
    vault = Vault(deployment="dep_test")
    assert vault._argon2 == slots.Argon2Policy()


# -- tampering with stored rows --


def test_any_change_to_the_vaults_rows_keeps_it_sealed(new, cheap, passphrase):
    """Flip, drop, add, swap or repeat one of the vault's own rows: `Tampered` against the log, before any key."""
    expected, rows = expected_of(new.rows), list(new.rows)
    changed = []
    for i, row in enumerate(rows):
        flipped = replace(row, row=row.row[:-1] + bytes([row.row[-1] ^ 1]))
        changed += [[*rows[:i], flipped, *rows[i + 1 :]], [*rows[:i], *rows[i + 1 :]], [*rows, row]]
    changed.append([*rows, new.vault.new_slot(SlotSecret.from_passphrase("the intruder's own"))])
    changed.append([replace(rows[0], row=rows[1].row), replace(rows[1], row=rows[0].row), *rows[2:]])
    for attempt in changed:
        vault = Vault(deployment="dep_test", argon2=cheap)
        with pytest.raises(Tampered):
            vault.unseal(passphrase, rows=attempt, expected=expected)
        assert vault.sealed


def test_even_a_log_that_agrees_cannot_pass_altered_rows(new, cheap, passphrase):
    """With digests recomputed by the attacker, the ciphertext still refuses: flipped, swapped, moved to another deployment."""
    rows = list(new.rows)
    attempts = []
    for i, row in enumerate(rows):
        for at in range(0, len(row.row), 7):
            flipped = bytearray(row.row)
            flipped[at] ^= 0x10
            attempts.append([*rows[:i], replace(row, row=bytes(flipped)), *rows[i + 1 :]])
    attempts.append([rows[0], replace(rows[1], row=rows[2].row), replace(rows[2], row=rows[1].row), *rows[3:]])
    attempts.append([replace(rows[0], version=2), *rows[1:]])
    for attempt in attempts:
        vault = Vault(deployment="dep_test", argon2=cheap)
        with pytest.raises(VaultError):
            vault.unseal(passphrase, rows=attempt, expected=expected_of(attempt))
        assert vault.sealed
    elsewhere = Vault(deployment="dep_other", argon2=cheap)
    with pytest.raises(WrongKey):
        elsewhere.unseal(passphrase, rows=rows, expected=expected_of(rows))


def test_two_versions_or_a_missing_key_row_keep_it_sealed(new, cheap, passphrase):
    """Even when the log lists them so."""
    prepared = new.vault.prepare_key(KeyName.APPROVAL).row
    for rows in ([*new.rows, prepared], [row for row in new.rows if "pepper" not in row.secret_id], new.rows[1:]):
        with pytest.raises(Tampered) as caught:
            reopened(new, cheap, passphrase, rows)
        assert caught.value.reason == "row_missing"


def test_callers_rows_do_not_matter_for_unsealing(new, cheap, passphrase):
    """Only rows below `vault/` are judged when unsealing."""
    rows = [*new.rows, put(new.vault)]
    vault = Vault(deployment="dep_test", argon2=cheap)
    vault.unseal(passphrase, rows=rows, expected=expected_of(new.rows))
    assert not vault.sealed


def test_a_keyring_under_a_term_is_refused(new):
    """A keyring row has to hang on the root key."""
    row = put(new.vault)
    with pytest.raises(Tampered) as caught:
        new.vault._open_keyring(new.vault._opened.root, row)
    assert caught.value.reason == "unknown_term"


def test_swapped_moved_and_old_rows_do_not_lease(new, cheap):
    """OpenBao's move tests: two rows swapped, another id, another version, an old version back, another deployment."""
    vault = new.vault
    a1, a2, b1 = put(vault), put(vault, version=2, secret=b"newer"), put(vault, "cred_b", secret=b"other")
    with pytest.raises(Tampered) as caught:
        read(vault, a2, row=a1.row)
    assert caught.value.reason == "row_altered"
    for row, changes in (
        (a1, {"secret_id": "cred_b"}),
        (b1, {"secret_id": "cred_a"}),
        (a1, {"version": 2}),
        (a2, {"version": 1}),
    ):
        with pytest.raises(Tampered) as caught:
            read(vault, row, **changes)
        assert caught.value.reason == "tag"
    stranger = Vault.initialise(deployment="dep_test", secrets=[SlotSecret.from_passphrase("another passphrase")], argon2=cheap).vault
    with pytest.raises(Tampered):
        read(stranger, a1)


# -- leases --


def test_a_lease_lasts_for_its_block(new):
    """Listed while open, wiped after, whatever happens inside."""
    row = put(new.vault)
    lease = {"secret_id": "cred_a", "version": 1, "row": row.row, "expected_sha256": row.sha256}
    with new.vault.lease(**lease, purpose="publish tok_1") as secret:
        assert secret.expose() == CANARY
        assert [(info.secret_id, info.version, info.purpose) for info in new.vault.open_leases] == [("cred_a", 1, "publish tok_1")]
    with pytest.raises(SecretGone):
        secret.expose()
    with pytest.raises(ZeroDivisionError), new.vault.lease(**lease, purpose="fails") as secret:
        raise ZeroDivisionError
    assert secret.gone
    assert new.vault.open_leases == ()


def test_sealing_ends_open_leases(new):
    """A secret on lease is gone at once; leaving the block afterwards is no error."""
    row = put(new.vault)
    with new.vault.lease(secret_id="cred_a", version=1, row=row.row, expected_sha256=row.sha256, purpose="p") as secret:
        new.vault.seal()
        with pytest.raises(SecretGone):
            secret.expose()
        assert new.vault.open_leases == ()


def test_a_lease_needs_a_purpose(new):
    """Blank is none."""
    with pytest.raises(SecretRefused) as caught:
        read(new.vault, put(new.vault), purpose=" ")
    assert caught.value.reason == "no_purpose"


def test_the_vaults_own_keys_cannot_be_put_or_leased(new):
    """Reserved names are refused, so no signing key ever leaves."""
    for row in new.rows:
        with pytest.raises(SecretRefused) as caught:
            read(new.vault, row)
        assert caught.value.reason == "reserved"
        with pytest.raises(SecretRefused):
            put(new.vault, row.secret_id)


def test_no_public_name_hands_out_a_secret(new):
    """The whole public surface, so that an addition is looked at: nothing but `lease` opens a row."""
    public = {name for name in dir(Vault) if not name.startswith("_")}
    assert public == {
        "initialise",
        "unseal",
        "seal",
        "sealed",
        "put",
        "lease",
        "open_leases",
        "sign",
        "mac",
        "public_key",
        "prepare_key",
        "prepare_rotation",
        "prepare_retirement",
        "adopt",
        "terms",
        "rewrap",
        "rewrap_batch",
        "new_slot",
    }


def test_nothing_stored_or_shown_contains_the_canary(new):
    """Rows, reprs, pickles and tracebacks of failures."""
    row = put(new.vault)
    assert CANARY not in row.row
    assert "canary" not in repr(row) + repr(new) + repr(new.vault._opened) + str(vars(new.vault))
    with pytest.raises(TypeError):
        pickle.dumps(new.vault)
    with pytest.raises(Tampered) as caught:
        read(new.vault, row, version=2)
    assert CANARY.decode() not in "".join(traceback.format_exception(caught.value))


# -- keys --


def test_signatures_verify_with_the_published_key(new):
    """Ed25519 over the message; the two keys are different."""
    for name, other in itertools.permutations((KeyName.APPROVAL, KeyName.CHECKPOINT)):
        signature = new.vault.sign(name, b"message")
        dsse.verify_raw(new.vault.public_key(name), signature, b"message")
        with pytest.raises(dsse.SignatureInvalid):
            dsse.verify_raw(new.vault.public_key(other), signature, b"message")


def test_the_pepper_neither_signs_nor_shows_a_public_half(new):
    """One use a key."""
    for use in (lambda: new.vault.sign(KeyName.PEPPER, b""), lambda: new.vault.public_key(KeyName.PEPPER)):
        with pytest.raises(SecretRefused) as caught:
            use()
        assert caught.value.reason == "not_a_signing_key"
    assert new.vault.prepare_key(KeyName.PEPPER).public_key is None


def test_the_mac_is_hmac_sha256():
    """Against the standard library, with known randomness."""
    counter = itertools.count(1)
    secret = SlotSecret.from_recovery_key(slots.new_recovery_key())
    vault = Vault.initialise(deployment="d", secrets=[secret], random=lambda n: bytes([next(counter)]) * n).vault
    seed = vault._opened.seeds[KeyName.PEPPER].expose()
    assert vault.mac(b"label\0x") == hmac.digest(seed, b"label\0x", "sha256")


def test_a_prepared_key_is_used_after_adoption_only(new, cheap, passphrase):
    """A crash before adoption leaves the old key in use and readable; after it the new one signs, here and after a restart."""
    vault, old = new.vault, new.public_keys[KeyName.CHECKPOINT]
    prepared = vault.prepare_key(KeyName.CHECKPOINT)
    assert prepared.row.version == 2
    assert vault.public_key(KeyName.CHECKPOINT) == old
    assert reopened(new, cheap, passphrase).public_key(KeyName.CHECKPOINT) == old
    vault.adopt(prepared.row, expected_sha256=prepared.row.sha256)
    assert vault.public_key(KeyName.CHECKPOINT) == prepared.public_key != old
    dsse.verify_raw(prepared.public_key, vault.sign(KeyName.CHECKPOINT, b"m"), b"m")
    rows = [row for row in new.rows if row.secret_id != prepared.row.secret_id] + [prepared.row]
    assert reopened(new, cheap, passphrase, rows).public_key(KeyName.CHECKPOINT) == prepared.public_key


def test_only_the_next_version_that_the_log_names_is_adopted(new):
    """Old version, skipped version, other digest, and rows that are neither keyring nor key."""
    vault = new.vault
    prepared = vault.prepare_key(KeyName.APPROVAL).row
    for row, expected, error in (
        (new.rows[1], new.rows[1].sha256, Tampered),
        (replace(prepared, version=3), prepared.sha256, Tampered),
        (prepared, new.rows[1].sha256, Tampered),
        (put(vault), put(vault).sha256, Tampered),
        (replace(prepared, secret_id="vault/key/checkpoint"), prepared.sha256, Tampered),
    ):
        with pytest.raises(error):
            vault.adopt(row, expected_sha256=expected)
    for row in (put(vault), new.rows[-1]):
        with pytest.raises(SecretRefused) as caught:
            vault.adopt(row, expected_sha256=row.sha256)
        assert caught.value.reason == "not_adoptable"
    assert vault.public_key(KeyName.APPROVAL) == new.public_keys[KeyName.APPROVAL]


# -- rotation --


def test_rotation_keeps_the_old_readable_and_rewraps_in_batches(new, cheap, passphrase):
    """New term, old rows readable, batches resumed after a restart at any point, retirement at count zero (case K9)."""
    vault = new.vault
    stored = {row.key: row for row in [*new.rows, *(put(vault, f"cred_{i}", secret=b"%d" % i) for i in range(7))]}
    ring = vault.prepare_rotation()
    del stored["vault/keyring", 1]
    stored[ring.key] = ring
    vault.adopt(ring, expected_sha256=ring.sha256)
    assert vault.terms == (1, 2)
    while True:
        vault = reopened(new, cheap, passphrase, list(stored.values()))  # the process died after each batch
        for i in range(7):
            assert read(vault, stored[f"cred_{i}", 1]) == b"%d" % i
        batch = vault.rewrap_batch(stored.values(), expected=expected_of(stored.values()), limit=3)
        if not batch:
            break
        assert len(batch) <= 3
        with pytest.raises(TermRefused):
            vault.prepare_retirement(1, terms_in_use(stored.values()))
        for old, new_row in batch:
            assert stored[old.key] == old
            stored[old.key] = new_row
    assert terms_in_use(stored.values()) == {2: 10}
    ring = vault.prepare_retirement(1, terms_in_use(stored.values()))
    assert ring.version == 3
    vault.adopt(ring, expected_sha256=ring.sha256)
    assert vault.terms == (2,)
    assert read(vault, stored["cred_3", 1]) == b"3"


def test_a_row_of_a_retired_term_does_not_open(new):
    """An old copy of a row from before the rewrapping is unreadable once its term is gone."""
    vault, row = new.vault, put(new.vault)
    for prepare in (vault.prepare_rotation, lambda: vault.prepare_retirement(1, {})):
        ring = prepare()
        vault.adopt(ring, expected_sha256=ring.sha256)
    with pytest.raises(Tampered) as caught:
        read(vault, row)
    assert caught.value.reason == "unknown_term"


def test_rewrapping_refuses_what_is_not_logged_or_not_under_a_term(new):
    """Unknown digest, a keyring, a slot; a current row gives None; a batch refuses rows the log does not know."""
    vault, row = new.vault, put(new.vault)
    assert vault.rewrap(row, expected_sha256=row.sha256) is None
    with pytest.raises(Tampered):
        vault.rewrap(row, expected_sha256=new.rows[0].sha256)
    for own in (new.rows[0], new.rows[-1]):
        with pytest.raises(SecretRefused) as caught:
            vault.rewrap(own, expected_sha256=own.sha256)
        assert caught.value.reason == "not_under_term"
    with pytest.raises(Tampered):
        vault.rewrap_batch([row], expected={}, limit=10)
    assert vault.rewrap_batch([], expected={}, limit=10) == ()


def test_two_vaults_of_one_deployment_name_share_nothing(new, cheap, passphrase):
    """Initialising again gives other keys everywhere."""
    again = Vault.initialise(deployment="dep_test", secrets=[passphrase], argon2=cheap, random=os.urandom)
    assert {row.row for row in new.rows}.isdisjoint(row.row for row in again.rows)
    assert new.public_keys[KeyName.APPROVAL] != again.public_keys[KeyName.APPROVAL]
