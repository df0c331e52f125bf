"""JSON Web Tokens as providers want them: Zhipu's HS256, Google's RS256 grant.

Sources: RFC 7515 (compact form), RFC 7518 §3.2, §3.3; open.bigmodel.cn API, authentication; Google Identity, "Using OAuth 2.0
for server to server applications".
"""

import base64
import hashlib
import hmac
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from msgspec import Struct

GOOGLE_TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105  # an address
GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
GOOGLE_ASSERTION_S = 35 * 60  # life of an assertion; Google allows an hour
ZHIPU_TOKEN_S = 24 * 3600


class SigningKeyError(ValueError):
    """The key material cannot be used; the text never contains it."""


class ServiceAccount(Struct, frozen=True):
    """The members of Google's service-account JSON that we use."""

    client_email: str
    private_key: str  # PEM
    project_id: str = ""
    private_key_id: str = ""
    token_uri: str = GOOGLE_TOKEN_URL


def _segment(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _input(header: dict[str, Any], claims: dict[str, Any]) -> bytes:
    return _segment(msgspec.json.encode(header)) + b"." + _segment(msgspec.json.encode(claims))


def sign_hs256(signing_input: bytes, secret: bytes) -> str:
    mac = hmac.new(secret, signing_input, hashlib.sha256).digest()
    return (signing_input + b"." + _segment(mac)).decode()


def sign_rs256(signing_input: bytes, private_key: rsa.RSAPrivateKey) -> str:
    mark = private_key.sign(signing_input, padding.PKCS1v15(), hashes.SHA256())
    return (signing_input + b"." + _segment(mark)).decode()


def zhipu_token(key: str, now_s: int) -> str:
    """`id.secret` to a token of a day. Raises SigningKeyError unless the key has exactly one dot."""
    id, dot, secret = key.strip().partition(".")
    if not dot or not id or not secret or "." in secret:
        raise SigningKeyError("the key is not of the form id.secret")
    header = {"alg": "HS256", "sign_type": "SIGN"}
    claims = {"api_key": id, "exp": (now_s + ZHIPU_TOKEN_S) * 1000, "timestamp": now_s * 1000}
    return sign_hs256(_input(header, claims), secret.encode())


def read_service_account(text: str) -> ServiceAccount:
    """Raises SigningKeyError for what is no service-account JSON."""
    try:
        return msgspec.json.decode(text, type=ServiceAccount)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise SigningKeyError("the key is not a service account's JSON (client_email, private_key)") from None


def google_assertion(account: ServiceAccount, now_s: int) -> str:
    """The assertion of the JWT bearer grant. Raises SigningKeyError for an unusable private key."""
    try:
        key = serialization.load_pem_private_key(account.private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SigningKeyError("the service account's private_key cannot be read") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SigningKeyError("the service account's private_key is not an RSA key")
    header = {"alg": "RS256", "typ": "JWT"} | ({"kid": account.private_key_id} if account.private_key_id else {})
    claims = {
        "iss": account.client_email,
        "scope": GOOGLE_SCOPE,
        "aud": account.token_uri,
        "iat": now_s,
        "exp": now_s + GOOGLE_ASSERTION_S,
    }
    return sign_rs256(_input(header, claims), key)
