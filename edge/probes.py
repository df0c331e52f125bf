"""/healthz, /readyz and /metrics: answered beside the console, because they must work when nothing else does."""

import asyncio
import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from sqlalchemy import text

from edge.exposition import Exposition, Lag
from edge.snapshot import Snapshots
from edge.spool import REFUSES, Settling
from schema.cluster_pipe import Pipe
from schema.config import Config
from schema.database import Engine, read_within

Send = Callable[[dict[str, Any]], Awaitable[None]]

PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
ANSWER_S_MAX = 1.0  # of each part of /readyz
LAG_S_MAX = 1.0  # of the event loop, for /healthz
_PROXIED = (b"x-forwarded-for", b"forwarded", b"x-real-ip")  # with one of these a loopback peer is only a messenger


class Probes:
    """Answers for this process; metrics for the machine."""

    def __init__(
        self,
        config: Config,
        pipe: Pipe,
        engine: Engine,
        settling: Settling,
        exposition: Exposition,
        snapshots: Snapshots,
    ) -> None:
        self._config, self._pipe, self._engine = config, pipe, engine
        self._settling, self._exposition, self._snapshots = settling, exposition, snapshots
        self.lag = Lag()
        self.draining = False

    async def __call__(self, scope: dict[str, Any], send: Send) -> None:
        path, trusted = scope["path"], self._is_trusted(scope)
        if path == "/healthz":
            lag_s = self.lag.seconds
            turns = lag_s < LAG_S_MAX
            body = {"status": "ok" if turns else "slow", "loop_lag_seconds": round(lag_s, 4)}
            await _reply(send, 200 if turns else 503, msgspec.json.encode(body))
        elif path == "/readyz":
            ready, parts = await self._probe()
            body = {"ready": ready, **(parts if trusted else {})}
            await _reply(send, 200 if ready else 503, msgspec.json.encode(body))
        elif not trusted:
            await _reply(send, 403, b'{"message":"only from this machine, or with METRICS_TOKEN"}')
        else:
            found = await self._exposition.text(self._snapshots.current.channels)
            await _reply(send, 200, found, b"text/plain; version=0.0.4; charset=utf-8")

    def _is_trusted(self, scope: dict[str, Any]) -> bool:
        headers = dict(scope["headers"])
        token = self._config.metrics_token
        if token and hmac.compare_digest(headers.get(b"authorization", b""), f"Bearer {token}".encode()):
            return True
        peer = (scope.get("client") or ("", 0))[0]
        try:
            near = ipaddress.ip_address(peer).is_loopback
        except ValueError:
            return False
        return near and not any(name in headers for name in _PROXIED)

    async def _probe(self) -> tuple[bool, dict[str, bool]]:
        """May a load balancer send calls here? And which parts are well.

        The database does not decide: known callers are served without it and their records wait in the stream. Redis does,
        unless the operator lets calls pass without it.
        """
        redis, database = await asyncio.gather(self._redis_answers(), self._database_answers())
        parts = {
            "redis": redis,
            "database": database,
            "snapshot": self._snapshots.loaded,
            "spool": not self._settling.spool_full,
            "accepting": not self.draining,
        }
        ledger = redis or self._config.admit_without_redis > 0
        return ledger and parts["snapshot"] and parts["spool"] and parts["accepting"], parts

    async def _redis_answers(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await self._pipe.execute(b"PING")
        except (*REFUSES, TimeoutError):
            return False
        return True

    async def _database_answers(self) -> bool:
        try:
            async with read_within(self._engine, ANSWER_S_MAX) as db:
                await db.execute(text("SELECT 1"))
        except Exception:  # whatever the driver raises, the answer is no
            return False
        return True


async def _reply(send: Send, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
