"""Tests of channels: one now, or all of them by the workers, whose progress anybody may watch."""

import secrets
import time
from typing import Any

import msgspec
from blacksheep import Request, Response
from msgspec import Struct

from edge.console.calls import TRUE, answer, path_id, query, reply
from edge.console.channels import get_row
from edge.console.envelope import Refusal
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.dialects.providers.settings import read_settings
from schema.migrate import read_meta
from schema.redis_client import queue_of
from schema.upstreams.account import Account, read_account
from schema.upstreams.runs import LEASE_S, RUN_LOCK, RUNS, Progress
from schema.upstreams.tested import Bench, run_test


class TestReply(Struct):
    """Members beside `success`, as the original's tests answer. `time` in s; `modelName` is One API's word."""

    success: bool
    message: str
    time: float
    model: str
    error_class: str
    first_byte_ms: int | None
    upstream_status: int | None
    modelName: str


class RunView(Struct):
    run_id: str


SCOPES = ("all", "disabled", "auto_disabled")


async def read_one(services: Services, request: Request) -> Account:
    """The channel of the path as something that can be called. Raises Refusal."""
    row = await get_row(services, path_id(request))
    return await account_of(services, row)


async def account_of(services: Services, row: Any) -> Account:
    one_api = await read_meta(services.engine, "origin") == "one-api"
    return read_account(row, services.vault, one_api=one_api)


def bench_of(services: Services) -> Bench:
    options = services.snapshots.current.options
    return Bench(
        engine=services.engine,
        log_engine=services.log_engine,
        redis=services.redis,
        options=options,
        settings=read_settings(options, services.config),
    )


async def test_one(services: Services, request: Request, actor: Actor) -> Response:
    """Test a channel now; a failed test is an answer like any other. `time` in s."""
    account = await read_one(services, request)
    stream = query(request, "stream") in TRUE
    result = await run_test(
        bench_of(services), account, model=query(request, "model").strip(), stream=stream, actor=f"user:{actor.id}"
    )
    return answer(
        TestReply(
            result.ok, result.message, result.ms / 1000, result.model, result.error_class, result.first_byte_ms,
            result.status, result.model,
        )
    )  # fmt: skip


async def test_all(services: Services, request: Request, actor: Actor) -> Response:
    """Start a run over all channels, or those of `scope`: all, disabled, auto_disabled, tag:<t>."""
    scope = query(request, "scope") or "all"
    if scope not in SCOPES and not scope.startswith("tag:"):
        raise Refusal("invalid_scope", "A scope is all, disabled, auto_disabled or tag:<tag>.")
    run_id = secrets.token_hex(8)
    if not await services.redis.set(RUN_LOCK, run_id, nx=True, ex=LEASE_S):
        running = await services.redis.get(RUN_LOCK)
        raise Refusal("test_running", "A test of all channels is running.", run_id=(running or b"").decode())
    progress = Progress(run_id=run_id, scope=scope, started_s=int(time.time()))
    await services.redis.set(RUNS + run_id, msgspec.json.encode(progress), ex=LEASE_S * 2)
    queue = queue_of(services.redis)
    await queue.enqueue_job("test_channels", run_id, scope, True)
    return reply(RunView(run_id))


async def show_run(services: Services, request: Request, actor: Actor) -> Response:
    """How far a run is."""
    run_id = (request.route_values or {}).get("run") or ""
    held = await services.redis.get(RUNS + run_id)
    if held is None:
        raise Refusal("not_found", "There is no such run.")
    return reply(msgspec.json.decode(held, type=Progress))


ROUTES = (
    Route("GET", "/api/channel/test", Role.ADMIN, RunView, test_all, query=("scope",)),
    Route("GET", "/api/channel/test/run/:run", Role.ADMIN, Progress, show_run),
    Route("GET", "/api/channel/test/:id", Role.ADMIN, None, test_one, query=("model", "stream"), answer=TestReply),
)
