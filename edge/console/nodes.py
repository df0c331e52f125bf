"""The processes of this installation as they tell of themselves: edges each second, workers every few."""

import time
from typing import Any

from blacksheep import Request, Response
from msgspec import Struct

from edge.console.calls import reply
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.health import NODE_S_MAX, NODES, NodeState, read_node
from schema.ledger.keys import METRICS, WORKERS


class NodeView(Struct):
    """Times in Unix s. `settings_version`, `in_flight`: of edges; `lag_s`, `partitions`: of workers."""

    name: str
    role: str  # edge, worker
    version: str
    started_at: int
    seen_at: int
    settings_version: int | None = None
    in_flight: int | None = None
    lag_s: float | None = None
    partitions: int | None = None


async def list_nodes(services: Services, request: Request, actor: Actor) -> Response:
    """Those that are alive."""
    return reply([*await _edges(services.redis), *await _workers(services.redis)])


async def _edges(redis: Any) -> list[NodeView]:
    oldest_ms = (time.time() - NODE_S_MAX) * 1000
    found = {name.decode(): read_node(data) for name, data in (await redis.hgetall(NODES)).items()}
    return [_edge(name, state) for name, state in sorted(found.items()) if state.at_ms >= oldest_ms]


def _edge(name: str, state: NodeState) -> NodeView:
    shown = name.rpartition(":")[0]  # without what makes it unique over restarts
    return NodeView(
        shown, "edge", state.version, state.started_s, state.at_ms // 1000, settings_version=state.settings_version,
        in_flight=sum(state.in_flight.values()),
    )  # fmt: skip


async def _workers(redis: Any) -> list[NodeView]:
    now_ms = int(time.time() * 1000)
    found = []
    for name in sorted(await redis.zrangebyscore(WORKERS, now_ms, "+inf")):
        held = {key.decode(): value.decode() for key, value in (await redis.hgetall(METRICS + name.decode())).items()}
        started_s = int(held.get("started_ms", 0)) // 1000
        found.append(
            NodeView(
                name.decode(), "worker", held.get("version", ""), started_s, now_ms // 1000,
                lag_s=float(held.get("settle_lag_seconds", 0)), partitions=int(held.get("partitions", 0)),
            )
        )  # fmt: skip
    return found


ROUTES = (Route("GET", "/api/nodes", Role.ROOT, list[NodeView], list_nodes),)
