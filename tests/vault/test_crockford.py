"""Printed keys are read back exactly, with forgiveness for what cannot change the value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vault import crockford


@given(st.binary(max_size=64))
def test_what_is_written_is_read_back(value):
    """Every length comes back, in lower case and without hyphens too."""
    text = crockford.encode(value)
    assert crockford.decode(text, len(value)) == value
    assert crockford.decode(text.lower().replace("-", " "), len(value)) == value
    assert all(len(group) <= 4 for group in text.split("-"))


def test_look_alikes_are_understood():
    """O is 0, I and L are 1, as Crockford's table says."""
    assert crockford.decode("O1IL-0000", 5) == crockford.decode("0111-0000", 5)


@pytest.mark.parametrize("text", ["", "0", "U000-0000", "0000-0000-0", "0000-000", "００００-0000", "0000\n0000", "0" * 300, "0000-000é"])
def test_other_text_is_refused(text):
    """Another character, another length, or not ASCII."""
    with pytest.raises(ValueError):
        crockford.decode(text, 5)


def test_spare_bits_must_be_zero():
    """One value has one spelling: the unused last bits cannot be set."""
    text = crockford.encode(b"\xff")
    assert text == "ZW"
    with pytest.raises(ValueError):
        crockford.decode("ZX", 1)
