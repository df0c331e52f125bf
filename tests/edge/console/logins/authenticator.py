"""A security key in software: makes passkeys and signs challenges as a browser hands them on. Source: W3C WebAuthn §6.5, §6.3.3."""

import hashlib
import json
import os

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Authenticator:
    """One credential; `count` is its signature counter."""

    def __init__(self, origin: str) -> None:
        self.origin, self.count = origin, 0
        self._id, self._key = os.urandom(16), ec.generate_private_key(ec.SECP256R1())

    def make(self, options: dict, *, flags: int = PRESENT | VERIFIED) -> dict:
        """The answer to `navigator.credentials.create`."""
        point = self._key.public_key().public_numbers()
        public = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")})
        attested = bytes(16) + len(self._id).to_bytes(2, "big") + self._id + public
        data = self._data(options["rp"]["id"], flags | ATTESTED) + attested
        box = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", options["challenge"])
        return self._answer(clientDataJSON=client, attestationObject=box)

    def sign(self, options: dict, *, flags: int = PRESENT | VERIFIED) -> dict:
        """The answer to `navigator.credentials.get`."""
        self.count += 1
        data, client = self._data(options["rpId"], flags), self._client("webauthn.get", options["challenge"])
        signed = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(clientDataJSON=client, authenticatorData=data, signature=signed)

    def _client(self, kind: str, challenge: str) -> bytes:
        assert base64url_to_bytes(challenge)
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _data(self, domain: str, flags: int) -> bytes:
        return hashlib.sha256(domain.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _answer(self, **parts: bytes) -> dict:
        name = bytes_to_base64url(self._id)
        inner = {key: bytes_to_base64url(value) for key, value in parts.items()}
        return {"id": name, "rawId": name, "type": "public-key", "response": inner, "clientExtensionResults": {}}
