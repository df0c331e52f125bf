"""The express way of a chat call: begun by the client's socket, without a task, where nothing is out of the ordinary.

Nearly all calls are alike: a known caller, a channel that serves, a ready-made request (see `edge.relay.lanes`), an idle
connection, a 200 with its usage. A task for such a call wakes four times through a dozen coroutines, which costs more than all
the rest. Here is found out whether a call is of that kind; `edge.relay.express_call` carries it out, `edge.relay.express_stream`
where it streams. Whoever may call what is asked of the same functions as in `edge.relay.call`; a refusal is left to that way,
which refuses with all its care.
"""

import time
from collections.abc import Callable
from typing import Any

import structlog
from msgspec import Struct

from edge.door.exchange import Exchange
from edge.door.known_head import KnownHead
from edge.relay.call import Relay, address_of
from edge.relay.callers import Caller, digest_key
from edge.relay.express_call import ExpressCall, Terms
from edge.relay.express_stream import ExpressStream
from edge.relay.gate import check_address, check_caller, check_model, group_in_effect, plain_key
from edge.relay.hedge import is_eligible
from edge.relay.rate_limit import limits_for
from edge.relay.refusal import Refused
from edge.relay.routes import Place, find_place
from edge.relay.wanted import Wanted, read_wanted
from edge.snapshot import EdgeSnapshot
from schema.addresses import Address
from schema.dialects.errors import DialectError

log = structlog.get_logger(__name__)

_SPOKEN_OF = frozenset({b"idempotency-key", b"content-encoding"})  # headers with a meaning of their own


class Plan(Struct):
    """What a head says of all calls that come with it; only `terms` changes."""

    place: Place
    digest: bytes  # of the key
    headers: dict[bytes, bytes]  # content-length as it was in the first one
    address: Address | None
    terms: Terms | None = None  # of the last call


class Express:
    """One per process."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._bytes_max = relay.config.max_request_body_mb << 20

    def take(self, known: KnownHead, body: bytes, begin: Callable[[KnownHead], Exchange]) -> bool:
        """See `edge.door.listener.Express`."""
        relay, plan = self._relay, known.plan
        try:
            if plan is None:
                plan = known.plan = self._read_head(known.scope_with(b"0")) or False
            if plan is False or relay.draining or len(body) > self._bytes_max:
                return False
            caller = relay.callers.at_hand(plan.digest)
            if caller is None or (caller.expired_s != -1 and caller.expired_s < time.time()):
                return False
            wanted = read_wanted(plan.place, body, plan.headers)
            snapshot, terms = relay.snapshots.current, plan.terms
            if (
                terms is None
                or terms.caller is not caller
                or terms.snapshot is not snapshot
                or terms.model != wanted.model
                or terms.stream != wanted.stream
            ):
                terms = plan.terms = self._find_terms(plan, caller, snapshot, wanted)
                if terms is None:
                    return False
            if snapshot.words is not None and snapshot.words.find_in_body(body):
                return False
        except (Refused, DialectError):
            return False
        except Exception as error:
            log.exception("express_not_taken", error=type(error).__name__)
            return False
        exchange = begin(known)
        kind = ExpressStream if wanted.stream else ExpressCall
        try:
            kind(relay, known, plan.place, plan.headers, exchange, terms, wanted, body).begin()
        except Exception as error:  # as the door does when the application crashes
            log.exception("request_crashed", path=known.scope["path"], error=type(error).__name__)
            exchange.answer(500, b"", b"")
        return True

    def _read_head(self, scope: dict[str, Any]) -> Plan | None:
        """None: calls with this head are never of the common kind."""
        place = find_place(scope["path"])
        if scope["method"] != "POST" or scope["query_string"] or place is None:
            return None
        if place.mode != "chat" or place.dialect != "openai" or place.session or place.free:
            return None
        headers = dict(scope["headers"])
        key = plain_key(headers)
        if not key or not _SPOKEN_OF.isdisjoint(headers):
            return None
        return Plan(place, digest_key(key), headers, address_of(self._relay.config, scope, headers))

    def _find_terms(self, plan: Plan, caller: Caller, snapshot: EdgeSnapshot, wanted: Wanted) -> Terms | None:
        """None: not of the common kind. Raises Refused."""
        options, model = snapshot.options, wanted.model
        check_caller(caller, None, int(time.time()))
        check_address(caller, plan.address)
        group = group_in_effect(caller, options)
        check_model(caller, model)
        if (
            not group
            or limits_for(options, group) is not None
            or (options.hedge_after_ms and is_eligible("chat", model, options))
            or options.pass_upstream_headers
        ):
            return None
        client_ip = str(plan.address or "") if options.log_client_ip else ""
        return Terms(caller, snapshot, model, wanted.stream, group, client_ip, plan.headers.get(b"accept", b""), {})
