"""A secret shows itself nowhere but through `expose`."""

import copy
import json
import logging
import pickle
import traceback
from dataclasses import dataclass

import pytest

from vault.errors import SecretGone
from vault.secretbytes import SecretBytes

CANARY = b"canary-8f3b1c"


def test_no_text_form_shows_it(caplog):
    """repr, str, format, f-strings, dataclass repr and log lines hide the value."""

    @dataclass
    class Holder:
        secret: SecretBytes

    secret = SecretBytes(CANARY)
    logging.getLogger("x").warning("got %s %r", secret, secret)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>40}", repr(Holder(secret)), repr([secret]), caplog.text]
    assert "<secret>" in caplog.text
    assert not any("canary" in text for text in shown)


def test_it_cannot_be_copied_out():
    """Pickle, copy, deepcopy, json, bytes, iteration and indexing are refused."""
    secret = SecretBytes(CANARY)
    for attempt in (
        pickle.dumps,
        copy.copy,
        copy.deepcopy,
        json.dumps,
        bytes,
        list,
        hash,
        len,
        lambda s: s[0],
        lambda s: s.__dict__,
    ):
        with pytest.raises((TypeError, AttributeError)) as caught:
            attempt(secret)
        assert "canary" not in str(caught.value)


def test_a_traceback_with_locals_hides_it():
    """Even a traceback that prints locals shows a hidden object only."""

    def fail(secret: SecretBytes) -> None:
        raise RuntimeError(f"with {secret}")

    try:
        fail(SecretBytes(CANARY))
    except RuntimeError as error:
        text = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "<secret>" in text
    assert "canary" not in text.replace("CANARY", "")


def test_leaving_the_block_wipes_it():
    """After the block the buffer is empty, the old one is zeros, and using it raises."""
    with SecretBytes(CANARY) as secret:
        buffer = secret._buffer
        assert secret.expose() == CANARY
        assert not secret.gone
    assert buffer == bytes(len(CANARY))
    assert secret.gone
    with pytest.raises(SecretGone):
        secret.expose()
    secret.wipe()


def test_equality_is_by_value_between_secrets_only():
    """Equal secrets are equal; bytes never equal a secret."""
    assert SecretBytes(CANARY) == SecretBytes(bytearray(CANARY))
    assert SecretBytes(CANARY) != SecretBytes(b"other")
    assert SecretBytes(CANARY) != CANARY
