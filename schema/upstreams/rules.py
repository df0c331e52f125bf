"""Which upstream errors disable a channel, in the order of the original's rules; and the class that each error belongs to.

Pure. The rule's number is the actor of the event that is written: `rule:3` and so on.
"""

from collections.abc import Sequence

from msgspec import Struct

GEMINI = 24  # new-api's channel type
KEYWORD_BYTES_MAX = 4096  # of a body that is not JSON
_CODES = frozenset({"invalid_api_key", "account_deactivated", "billing_not_active"})
_TYPES = frozenset(
    {"insufficient_quota", "insufficient_user_quota", "authentication_error", "permission_error", "forbidden"}
)
CLASSES = (
    "auth", "quota", "rate_limit", "timeout", "connect", "server", "bad_response", "content_filter", "model_missing",
    "client_gone", "hedge_lost", "other",
)  # fmt: skip
UNJUDGED = frozenset({"client_gone", "hedge_lost"})  # we ended it ourselves: it says nothing
NO_FAULT = UNJUDGED | frozenset({"content_filter", "other"})  # the request's or the client's doing, not the channel's
DEAD = frozenset({"auth", "quota"})  # the whole account, not one model


class Verdict(Struct, frozen=True):
    rule: int  # 3..7
    keyword: str = ""


def find_rule(
    *, status: int, channel_type: int, code: str, type: str, message: str, keywords: Sequence[str]
) -> Verdict | None:
    """Does this error, as the upstream gave it, say that the account is dead?

    Args:
        status: after the channel's status_code_mapping.
        keywords: lower case.
        message: the upstream's text; of a body that is not JSON its first KEYWORD_BYTES_MAX.
    """
    if status == 401:
        return Verdict(3)
    if status == 403 and channel_type == GEMINI:
        return Verdict(4)
    if code in _CODES:
        return Verdict(5)
    if type in _TYPES:
        return Verdict(6)
    text = message.lower()
    for keyword in keywords:
        if keyword and keyword in text:
            return Verdict(7, keyword)
    return None


def class_of(status: int, code: str, type: str = "") -> str:
    """One of CLASSES. `status`: as the upstream gave it; 0: no answer came."""
    if code in ("content_filter", "content_policy_violation"):
        return "content_filter"
    if code == "upstream_timeout":
        return "timeout"
    if code in _CODES or status == 401:
        return "auth"
    if status == 402 or code == "insufficient_quota" or type == "insufficient_quota":
        return "quota"
    if status == 0:
        return "connect"
    if status == 403:
        return "auth"
    if status == 429:
        return "rate_limit"
    if status == 404:
        return "model_missing"
    if status in (408, 504, 524):
        return "timeout"
    if status >= 500:
        return "server"
    return "bad_response" if status < 400 else "other"
