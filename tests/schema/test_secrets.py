"""Sealed secrets open with the right keys alone, and plain ones pass."""

import pytest

from schema.secrets import SealError, Vault, is_sealed


def test_seal_and_rotate():
    old, new = Vault("one"), Vault("two", "one")
    sealed = old.seal("sk-upstream")
    assert is_sealed(sealed) and "upstream" not in sealed and old.seal(sealed) == sealed
    assert old.seal("sk-upstream") != sealed  # a fresh nonce each time
    assert new.unseal(sealed) == "sk-upstream" and not new.is_current(sealed)
    assert Vault("two").unseal(new.reseal(sealed)) == "sk-upstream"


def test_plain_text_passes_and_an_adopted_database_stays_plain():
    assert Vault("one").unseal("sk-plain") == "sk-plain"
    assert Vault("one", seals=False).seal("sk-plain") == "sk-plain"
    assert Vault("one").seal("") == ""


def test_wrong_key_and_altered_text():
    sealed = Vault("one").seal("secret")
    for vault, text in ((Vault("other"), sealed), (Vault("one"), sealed[:-6] + "AAAAA="), (Vault("one"), "enc1:x")):
        with pytest.raises(SealError):
            vault.unseal(text)
