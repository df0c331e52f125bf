"""One-time codes and links that prove an e-mail address: kept as digests, few tries, used once. Source: sign-in rules, "e-mail"."""

import hmac
import secrets
from hashlib import sha256
from typing import Any

from edge.console.envelope import Refusal
from edge.console.limits import admit
from edge.services import Services

CODE_S, LINK_S = 600, 1800
RESEND_S = 60
MAILS_PER_HOUR = 5  # to one address, whatever for
TRIES_MAX = 5
_PREFIX = "mx:code:"
# KEYS: code, tries; ARGV: digest, most tries. Returns 1 right (and used up), 0 wrong
_CHECK = """
local held = redis.call('GET', KEYS[1])
if not held then return 0 end
if held == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2]) return 1 end
if redis.call('INCR', KEYS[2]) >= tonumber(ARGV[2]) then redis.call('DEL', KEYS[1], KEYS[2]) else redis.call('EXPIRE', KEYS[2], 3600) end
return 0
"""


def _digest(services: Services, purpose: str, email: str, secret: str) -> str:
    key = (services.config.session_secret or "-").encode()
    return hmac.new(key, f"{purpose}\n{email}\n{secret}".encode(), sha256).hexdigest()


def _name(purpose: str, email: str) -> str:
    return f"{_PREFIX}{purpose}:{sha256(email.encode()).hexdigest()}"


def _tries(name: str) -> str:
    """On a cluster of the same slot."""
    return f"{{{name}}}:tries"


async def issue(services: Services, purpose: str, email: str, *, link: bool = False) -> str:
    """A new secret for an address, replacing the one before: eight digits, or 256 bits for a link.

    Raises Refusal 429 within a minute of the last.
    """
    redis: Any = services.redis
    name = _name(purpose, email)
    if not await redis.set(f"{name}:again", 1, nx=True, ex=RESEND_S):
        raise Refusal("code_sent_lately", "A mail was sent a moment ago; please wait a minute.", status=429)
    await admit(
        redis, f"mails:{sha256(email.encode()).hexdigest()}", most=MAILS_PER_HOUR, window_s=3600, fail_open=False
    )
    secret = secrets.token_hex(32) if link else f"{secrets.randbelow(10**8):08d}"
    await redis.delete(_tries(name))
    await redis.set(name, _digest(services, purpose, email, secret), ex=LINK_S if link else CODE_S)
    return secret


async def use(services: Services, purpose: str, email: str, secret: str) -> None:
    """Raises Refusal unless the secret is right; it is used up then, and after five wrong ones."""
    name = _name(purpose, email)
    digest = _digest(services, purpose, email, secret.strip())
    redis: Any = services.redis
    if not await redis.eval(_CHECK, 2, name, _tries(name), digest, TRIES_MAX):
        raise Refusal("code_wrong", "The code is wrong or has expired.")
