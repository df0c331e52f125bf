"""Our own refusals, before anything went upstream: status, public code and a sentence for the client."""


class Refused(Exception):
    """Nothing is charged. `code` is public and never changes; `params` stays out of the client's sight."""

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: int = 0) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.retry_after_s = status, code, message, retry_after_s


def no_key() -> Refused:
    return Refused(401, "invalid_token", "No API key was given.")


def bad_key(reason: str) -> Refused:
    return Refused(401, "invalid_token", reason)


def no_channel(group: str, model: str) -> Refused:
    return Refused(503, "no_channel", f"No channel is available for model {model} in group {group}.")


def short_of_quota(which: str) -> Refused:
    if which == "token":
        return Refused(403, "pre_consume_token_quota_failed", "The token's remaining quota is too small for this call.")
    return Refused(403, "insufficient_user_quota", "The account's balance is too small for this call.")


def away(what: str) -> Refused:
    return Refused(
        503, "temporarily_unavailable", f"{what} is not reachable at the moment; please try again.", retry_after_s=1
    )
