"""Secrets at rest: AES-256-GCM under a key derived from CRYPTO_SECRET. Sealed texts begin with `enc1:`; others are plain."""

import base64
import hashlib
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PREFIX = "enc1:"
NONCE_BYTES = 12  # random; safe for 2^32 texts under one key (NIST SP 800-38D §8.3)
KEY_ID_BYTES = 4  # of the key's digest, so that rotation knows which key sealed a text


class SealError(Exception):
    """A sealed text that none of our keys opens: CRYPTO_SECRET changed, or the text was altered."""


class _Key:
    def __init__(self, secret: str) -> None:
        raw = HKDF(SHA256(), 32, salt=None, info=b"medusaxd secrets at rest v1").derive(secret.encode())
        self.id = hashlib.sha256(raw).digest()[:KEY_ID_BYTES]
        self.cipher = AESGCM(raw)


class Vault:
    """Seals with the current secret, opens with it or the former one. Thread-safe.

    Args:
        secret: CRYPTO_SECRET. former: CRYPTO_SECRET_OLD while rotating, or ''.
        seals: False leaves new texts plain, as an adopted database wants it until `medusa secrets encrypt`.
    """

    def __init__(self, secret: str, former: str = "", *, seals: bool = True) -> None:
        if not secret:
            raise ValueError("CRYPTO_SECRET is empty")
        self._current = _Key(secret)
        self._keys = {self._current.id: self._current}
        if former and former != secret:
            old = _Key(former)
            self._keys[old.id] = old
        self.seals = seals

    def seal(self, text: str, *, always: bool = False) -> str:
        """The text to store. '' and sealed texts stay as they are. `always`: for tables that no predecessor reads."""
        if not (self.seals or always) or not text or is_sealed(text):
            return text
        nonce = os.urandom(NONCE_BYTES)
        box = self._current.cipher.encrypt(nonce, text.encode(), PREFIX.encode())
        return PREFIX + base64.urlsafe_b64encode(self._current.id + nonce + box).decode()

    def unseal(self, text: str) -> str:
        """The plain text; a text that was never sealed is returned as it is. Raises SealError."""
        if not is_sealed(text):
            return text
        try:
            raw = base64.urlsafe_b64decode(text[len(PREFIX) :])
            key = self._keys[raw[:KEY_ID_BYTES]]
            nonce, box = raw[KEY_ID_BYTES : KEY_ID_BYTES + NONCE_BYTES], raw[KEY_ID_BYTES + NONCE_BYTES :]
            return key.cipher.decrypt(nonce, box, PREFIX.encode()).decode()
        except (KeyError, ValueError, InvalidTag):
            raise SealError("a stored secret cannot be opened with CRYPTO_SECRET or CRYPTO_SECRET_OLD") from None

    def is_current(self, text: str) -> bool:
        """Whether a text is sealed with the current secret."""
        if not is_sealed(text):
            return False
        try:
            return base64.urlsafe_b64decode(text[len(PREFIX) :])[:KEY_ID_BYTES] == self._current.id
        except ValueError:
            return False

    def reseal(self, text: str) -> str:
        """The same secret under the current key. Raises SealError."""
        return text if not text or self.is_current(text) else self.seal(self.unseal(text))


def is_sealed(text: str) -> bool:
    return text.startswith(PREFIX)
