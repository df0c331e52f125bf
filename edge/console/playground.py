"""Calls from the playground: signed in by the session instead of a key, charged to the account alone.

Source: chat rules, "playground". A system access token is refused there.
"""

from typing import Any

from blacksheep import Request
from redis.exceptions import RedisError

from edge.console.access import find_actor
from edge.console.envelope import Refusal
from edge.relay.callers import Caller
from edge.relay.refusal import Refused, away
from edge.services import Services


class PlaygroundDoor:
    """`find` the caller behind an ASGI scope."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def find(self, scope: dict[str, Any]) -> Caller:
        """Raises Refused; what the database or Redis raise passes."""
        request = Request(scope["method"], scope["path"].encode(), list(scope["headers"]))
        request.scope = scope  # type: ignore[assignment]  # the server's own
        try:
            actor = await find_actor(self._services, request)
        except Refusal as refusal:
            raise Refused(refusal.status, refusal.code, refusal.message) from None
        except RedisError:
            raise away("The store of sessions") from None
        if actor is None:
            raise Refused(401, "not_signed_in", "Please sign in.")
        if not actor.via_session:
            raise Refused(
                400, "access_token_not_supported", "The playground is for signed-in browsers; use an API key."
            )
        return Caller(
            token_id=0,
            token_name="playground",  # noqa: S106  # a name
            token_status=1,
            expired_s=-1,
            limited=False,
            remain_quota=0,
            models=frozenset(),
            networks=None,
            token_group="",
            user_id=actor.id,
            username=actor.username,
            user_status=1,
            user_group=actor.group,
            role=actor.role,
        )
