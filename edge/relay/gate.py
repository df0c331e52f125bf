"""Who calls, and may he: key from the headers, token and owner, model and group. Nothing here costs a round trip twice."""

import re
from collections.abc import Mapping
from typing import Protocol

from edge.relay.auto_group import AUTO
from edge.relay.callers import Caller
from edge.relay.refusal import Refused, bad_key, no_key
from schema.addresses import Address
from schema.ip_list import is_listed
from schema.options import Options
from schema.word_filter import WordFilter

_KEY = re.compile(r"[A-Za-z0-9]{1,64}")
_PLAIN = re.compile(rb"Bearer sk-([A-Za-z0-9]{1,64})").fullmatch
_OTHER_KEYS = frozenset({b"x-api-key", b"x-goog-api-key", b"api-key"})
ADMIN = 10


class Finder(Protocol):
    """Where callers are looked up by key."""

    async def find(self, key: str) -> Caller | None: ...


def plain_key(headers: Mapping[bytes, bytes]) -> str:
    """The key of a call that gives it once and as nearly all do; '' = ask `read_key`."""
    plain = _PLAIN(headers.get(b"authorization", b""))
    return plain[1].decode() if plain is not None and _OTHER_KEYS.isdisjoint(headers) else ""


def read_key(headers: Mapping[str, str], query_key: str = "") -> tuple[str, int | None]:
    """(key without `sk-`, pinned channel id or None). Raises Refused; two different keys are ambiguous."""
    found = set()
    bearer = headers.get("authorization", "").strip()
    if bearer:
        found.add(bearer[7:].strip() if bearer[:7].lower() == "bearer " else bearer)
    for name in ("x-api-key", "x-goog-api-key", "api-key"):
        if headers.get(name, "").strip():
            found.add(headers[name].strip())
    if query_key:
        found.add(query_key)
    if not found:
        raise no_key()
    if len(found) > 1:
        raise Refused(401, "ambiguous_credentials", "Two different API keys were given.")
    key, _, pin = found.pop().removeprefix("sk-").partition("-")
    if not _KEY.fullmatch(key):
        raise bad_key("The API key is not valid.")
    pin = pin.partition("-")[0]
    return key, int(pin) if pin.isdigit() else None


async def authenticate(callers: Finder, key: str, pinned: int | None, now_s: int) -> Caller:
    """Raises Refused."""
    return check_caller(await callers.find(key), pinned, now_s)


def check_caller(caller: Caller | None, pinned: int | None, now_s: int) -> Caller:
    """May he call at all? Raises Refused in the order of the checks."""
    if caller is None:
        raise bad_key("The API key is not valid.")
    if caller.token_status == 4:
        raise bad_key("The API key's quota is used up.")
    if caller.token_status == 3 or (caller.expired_s != -1 and caller.expired_s < now_s):
        raise bad_key("The API key has expired.")
    if caller.token_status != 1:
        raise bad_key("The API key is disabled.")
    if caller.limited and caller.remain_quota <= 0:
        raise bad_key("The API key's quota is used up.")
    if caller.user_status != 1:
        raise Refused(403, "user_disabled", "The account is disabled.")
    if pinned is not None and caller.role < ADMIN:
        raise Refused(403, "channel_pin_refused", "Ordinary accounts cannot pick a channel.")
    return caller


def check_address(caller: Caller, address: Address | None) -> None:
    """Raises Refused."""
    if caller.networks is not None and (address is None or not is_listed(address, caller.networks)):
        raise Refused(403, "ip_not_allowed", "The API key may not be used from this address.")


def group_in_effect(caller: Caller, options: Options) -> str:
    """The token's group, else the user's; '' for `auto`, which the call settles. Raises Refused."""
    group = caller.token_group
    if not group:
        return caller.user_group
    if group == AUTO and options.auto_groups:
        return ""
    if group != caller.user_group and group not in options.user_usable_groups:
        raise Refused(403, "group_not_allowed", f"Group {group} may not be used by this account.")
    if group not in options.group_ratio:
        raise Refused(403, "group_unknown", f"Group {group} does not exist any more.")
    return group


def check_model(caller: Caller, model: str) -> None:
    """Exact names; entries ending in * are prefixes. Raises Refused."""
    limits = caller.models
    if limits and model not in limits and not any(e.endswith("*") and model.startswith(e[:-1]) for e in limits):
        raise Refused(403, "model_not_allowed", f"The API key may not use model {model}.")


def check_words(words: WordFilter, mode: str, body: bytes) -> None:
    """Raises Refused when the prompt holds a word that the operator blocks."""
    code = _WORD_CODES.get(mode)
    if code is not None and words.find_in_body(body):
        raise Refused(400, code, "The prompt contains words that this gateway does not allow.")


_WORD_CODES = {
    "chat": "sensitive_words_detected",
    "completion": "sensitive_words_detected",
    "responses": "sensitive_words_detected",
    "moderation": "sensitive_words_detected",
    "image": "invalid_image_request",
    "speech": "invalid_audio_request",
}
