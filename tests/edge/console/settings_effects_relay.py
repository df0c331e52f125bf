"""What settings do to calls, to what a process opens and to third parties: each observer of a stage (test_settings_table) tells it."""

import contextlib
import itertools
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import httpx
from sqlalchemy import delete, insert, select, update

from edge.app import Edge, open_redis, open_vault
from edge.console.envelope import Refusal
from edge.console.logins import oidc, providers, turnstile
from edge.console.logins.providers import Flow
from edge.door.listener import Door
from edge.realtime.door import RealtimeDoor
from edge.relay import call as relay_call
from edge.relay.admission import hold_quota
from edge.relay.callers import Caller
from edge.relay.failures import AttemptFailed
from edge.relay.live import LiveCall
from edge.relay.open_calls import OpenCalls
from edge.relay.refusal import Refused
from edge.relay.routes import find_place
from edge.relay.wanted import TALKS
from edge.snapshot import Snapshots
from edge.tasks import submit as tasks
from edge.tasks.results import find_origin
from schema.counting import approximate, count_text
from schema.notices.mail import read_server
from schema.own_tables import AsyncTask
from schema.tables import OptionRow, User
from schema.tasks.platform import Submit, TaskRefused

Observe = Callable[[Any], Awaitable[Any]]
DAY_S = 86_400
_ids = itertools.count(5_000)


CALLER = Caller(1, "t", 1, -1, False, 0, frozenset(), None, "", 1, "u", 1, "default", 1)


class Reached(Exception):
    """As far as an observer wants to see."""


# --- calls ---


async def held(stage: Any) -> Any:
    """What is held for a call that names no maximum."""
    amounts: list[int] = []

    async def reserve(**asked: Any) -> Any:
        amounts.append(asked["amount"])
        raise Reached

    hot = SimpleNamespace(reserve=reserve, deadline_ms=lambda seconds: 0, hold_at_once=lambda *_: None)
    live = SimpleNamespace(
        relay=SimpleNamespace(hot=hot, config=stage.config), caller=SimpleNamespace(user_group="default", user_id=1, token_id=1, limited=False),
        wanted=SimpleNamespace(model="gpt-4o", pictures=None, exact_tokens=10, max_tokens=0), group="default", mode=next(iter(TALKS)),
        channel=SimpleNamespace(cache_ratio=1, type=1), headers={}, body=b"", request_id="r",
    )  # fmt: skip
    with contextlib.suppress(Reached):
        await hold_quota(live, SimpleNamespace(options=stage.options))
    return amounts[0]


async def wished(stage: Any) -> Any:
    """Whether a call asks for the channel of its conversation."""
    wishes: list[Any] = []
    health = SimpleNamespace(choose=lambda snapshot, wish, **_: wishes.append(wish))
    live = SimpleNamespace(
        wanted=SimpleNamespace(model="m"), group="g", mode="chat", tried=[], relay=SimpleNamespace(health=health),
        _conversation=lambda: "one",
    )  # fmt: skip
    LiveCall.choose(live, SimpleNamespace(options=stage.options, tiers={}), None, 1)
    return wishes[0].conversation


async def tokens_counted(stage: Any) -> Any:
    """Of a thousand bytes of which nobody told the usage, once a process has read its settings."""
    async with stage.services.engine.begin() as db:
        await db.execute(delete(OptionRow).where(OptionRow.key == "ApproximateTokenEnabled"))
        if stage.options.approximate_token_enabled:
            await db.execute(insert(OptionRow).values(key="ApproximateTokenEnabled", value="true"))
    config = type(stage.config)(crypto_secret="v" * 32)
    try:
        await Snapshots(config, stage.services.engine, None).read()
        return count_text("gpt-4o", "word " * 200)
    finally:
        approximate(False)


async def headers_of_upstream(stage: Any) -> Any:
    """What a client sees of the head of a provider's answer."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    told = [(b"x-ratelimit-remaining-tokens", b"9"), (b"set-cookie", b"a=b"), (b"server", b"theirs")]
    snapshot = SimpleNamespace(options=stage.options)
    live = SimpleNamespace(
        relay=SimpleNamespace(snapshots=SimpleNamespace(current=snapshot), draining=False), request_id="r", turn=None, limits=None,
        answer=SimpleNamespace(headers=told), send=send, _send=send,
    )  # fmt: skip
    await LiveCall.head(live, 200, "application/json", 2)
    return [name for name, _ in sent[0]["headers"] if name in dict(told)]


async def client_ip(stage: Any) -> Any:
    """What a call keeps of its client."""

    async def find_signed_in(scope: Any) -> Any:
        return SimpleNamespace(networks=None)

    relay = SimpleNamespace(find_signed_in=find_signed_in, config=stage.config)
    snapshot = SimpleNamespace(options=stage.options, is_set_up=True)
    relay.snapshots = SimpleNamespace(current=snapshot)
    live = SimpleNamespace(
        relay=relay, place=SimpleNamespace(session=True), scope={"client": ("203.0.113.9", 1)}, headers={}, client_ip="",
        mode=relay_call.UNSERVED, dialect="openai", started_ms=0,
    )  # fmt: skip
    with contextlib.suppress(Refused):
        await relay_call.carry_out(live)
    return live.client_ip


def pinged(*, answered: bool) -> Observe:
    """Whether a call that is silent for so long is sent a ping."""

    async def observe(stage: Any) -> Any:
        sent: list[int] = []

        async def ping() -> None:
            sent.append(1)

        call = SimpleNamespace(
            request_id="r",
            ping=ping,
            is_silent=lambda now_s, silence_s, before_first_byte: answered or before_first_byte,
        )
        open_calls = OpenCalls(None, 1, lambda: stage.options)
        open_calls._ping([call])
        for task in list(open_calls._pinged.values()):
            await task
        return len(sent)

    return observe


async def origin_allowed(stage: Any) -> Any:
    """Whether a page elsewhere may open a Realtime session."""
    door = SimpleNamespace(_relay=SimpleNamespace(config=stage.config))
    opening = SimpleNamespace(scope={"client": ("203.0.113.9", 1)}, headers={b"origin": "https://other.example"})
    try:
        RealtimeDoor._check_origin(
            door, opening, SimpleNamespace(networks=None), SimpleNamespace(options=stage.options)
        )
    except Refused as refused:
        return refused.code
    return "allowed"


def realtime_limit(name: str) -> Observe:
    async def observe(stage: Any) -> Any:
        door = RealtimeDoor(SimpleNamespace(config=stage.config, hot=None))
        told: dict[str, Any] = {}
        door.keeper.sessions["one"] = SimpleNamespace(check_time=lambda now_s, **limits: told.update(limits))
        for session in door.keeper.sessions.values():
            session.check_time(0, idle_s=door.keeper._idle_s, session_s=door.keeper._session_s)
        return told[name]

    return observe


async def task_patience(stage: Any) -> Any:
    """Minutes that an upstream has for a drawing."""
    call = SimpleNamespace(
        snapshot=SimpleNamespace(options=stage.options),
        platform=SimpleNamespace(deadline_ms=1),
        request_id="r",
        now_ms=lambda: 0,
    )
    caller = SimpleNamespace(user_id=1, token_id=1, username="u", token_name="t", limited=False)
    submit = Submit(platform="mj", action="IMAGINE", model="m", price_models=(), path="/", body={})
    new = tasks._new_task(call, caller, submit, SimpleNamespace(id=1, key_name=""), "default", None, 1, None)
    return new.deadline_ms // 60_000


async def unfinished_continued(stage: Any) -> Any:
    """Whether a drawing that is still under way may be continued."""
    engine, key = stage.services.engine, f"task{next(_ids)}"
    async with engine.begin() as db:
        await db.execute(
            insert(AsyncTask).values(task_key=key, platform="mj", user_id=1, status="IN_PROGRESS", upstream_id=key)
        )
    submit = Submit(
        platform="mj",
        action="UPSCALE",
        model="m",
        price_models=(),
        path="/",
        body={},
        origin_id=key,
        needs_success=True,
    )
    call = SimpleNamespace(tasks=SimpleNamespace(engine=engine))
    try:
        await find_origin(call, SimpleNamespace(user_id=1), submit, stage.options)
    except TaskRefused as refused:
        return refused.args[0]
    return "continued"


# --- what a process opens ---


def pool(name: str) -> Observe:
    async def observe(stage: Any) -> Any:
        engine = Edge._open(SimpleNamespace(config=stage.config), "postgresql://u:p@127.0.0.1:1/x")
        found = engine.pool
        seen = {
            "kept": found.size(),
            "most": found.size() + found._max_overflow,
            "lifetime": found._recycle,
            "echo": engine.sync_engine.echo,
        }
        return seen[name]

    return observe


async def redis_connections(stage: Any) -> Any:
    config = type(stage.config)(redis_url="redis://127.0.0.1:1", redis_pool_size=stage.config.redis_pool_size)
    return open_redis(config).connection_pool.max_connections


async def sealed(stage: Any) -> Any:
    """Whether a new secret is sealed in a new database."""
    config = type(stage.config)(crypto_secret="c" * 32, secrets_at_rest=stage.config.secrets_at_rest)
    return (await open_vault(config, stage.services.engine)).seal("secret") != "secret"


async def snapshots_read(stage: Any) -> Any:
    """Whether settings twenty seconds old are read again although nothing is said to have changed."""
    reads: list[int] = []

    async def execute(*_: Any) -> list[bytes]:
        return [b"1", b"1", b"1"]

    class Aged(Snapshots):
        age_s = 20.0

        async def read(self, version: int = 0) -> None:
            reads.append(version)

    config = type(stage.config)(crypto_secret="c" * 32, sync_frequency_s=stage.config.sync_frequency_s)
    snapshots = Aged(config, stage.services.engine, SimpleNamespace(execute=execute))
    snapshots._versions, snapshots._callers = (b"1", b"1"), b"1"
    await snapshots.catch_up()
    return len(reads)


def relay_limit(name: str) -> Observe:
    """What a relay made with this environment allows the files that callers name, and which way it goes."""

    async def observe(stage: Any) -> Any:
        hot = SimpleNamespace(execute=None, keys=None)
        nothing = SimpleNamespace()
        relay = relay_call.Relay(stage.config, nothing, nothing, hot, nothing, nothing, nothing, None)
        preparer = relay.preparer
        seen = {
            "bytes": preparer._limits.bytes_max, "seconds": preparer._limits.total_s, "proxy": preparer._relay_proxy,
            "file_proxy": preparer._fetcher._proxied,
        }  # fmt: skip
        await preparer.close()
        return seen[name]

    return observe


def mail(field: str) -> Observe:
    async def observe(stage: Any) -> Any:
        return getattr(read_server(stage.options), field)

    return observe


# --- third parties ---


def asked(provider: str, name: str) -> Observe:
    """What a third party is sent, or why its answer is refused."""

    async def observe(stage: Any) -> Any:
        forms: list[httpx.Request] = []

        def answer(request: httpx.Request) -> httpx.Response:
            forms.append(request)
            told = {
                "access_token": "t",
                "id": "7",
                "username": "ann",
                "trust_level": 1,
                "success": False,
                "active": True,
            }
            return httpx.Response(200, json=told)

        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
            services = SimpleNamespace(http=http, snapshots=stage.services.snapshots, config=stage.config)
            try:
                if provider == "turnstile":
                    request = SimpleNamespace(
                        query={"turnstile": ["t"]},
                        scope={"client": ("203.0.113.9", 1)},
                        headers=[],
                        get_first_header=lambda _: None,
                    )
                    await turnstile.check(services, request)
                else:
                    await getattr(providers, f"_{provider}")(services, "code", Flow())
            except Refusal as refused:
                if name == "refused":
                    return refused.code
        if name == "refused":
            return ""
        sent = forms[0]
        return (
            sent.headers.get("authorization", "")
            if name == "basic"
            else dict(httpx.QueryParams(sent.content.decode())).get(name, "")
        )

    return observe


def endpoint(name: str) -> Observe:
    async def observe(stage: Any) -> Any:
        return getattr(await oidc.find_endpoints(stage.services), name)

    return observe


async def plain_token_left(stage: Any) -> Any:
    """Whether a predecessor's access token stays readable once it was used."""
    token = f"plain{next(_ids):011d}"
    async with stage.services.engine.begin() as db:
        await db.execute(update(User).where(User.id == 9).values(access_token=token, access_token_hash=None))
    await stage.call("GET", "/api/user/self", headers={"Authorization": f"Bearer {token}"})
    return await stage.one(select(User.access_token).where(User.id == 9)) == token


async def stream_overdue(stage: Any) -> Any:
    """Whether an attempt at a stream that has lasted two minutes is over."""
    live = SimpleNamespace(
        relay=SimpleNamespace(config=stage.config), stream=True, body_ended=False, answer=1, ended_by=None,
        begun=SimpleNamespace(started=0),
    )  # fmt: skip
    return LiveCall.is_overdue(live, 120.0)


async def retrying_ends(stage: Any) -> Any:
    """Seconds after a call's begin until which attempts are made."""
    policies: list[Any] = []

    def keep(attempts_max: int, deadline_ms: int) -> None:
        policies.append(deadline_ms // 1000)
        raise Reached

    async def find_signed_in(_: Any) -> Any:
        return CALLER

    async def read(*_: Any) -> bytes:
        return b'{"model":"gpt-4o","messages":[]}'

    async def attempt(_: Any) -> None:
        raise AttemptFailed(503, 503, "away")

    snapshot = SimpleNamespace(options=stage.options, words=None)
    health = SimpleNamespace(
        begin=lambda *_: SimpleNamespace(trial=False),
        failed=lambda _begun, failure, *_, **_more: failure,
        left=lambda _: None,
    )
    relay = SimpleNamespace(
        find_signed_in=find_signed_in,
        config=stage.config,
        snapshots=SimpleNamespace(current=snapshot),
        readers=SimpleNamespace(read=read),
        health=health,
        meters=SimpleNamespace(failed=lambda *_, **_more: None),
    )
    live = SimpleNamespace(
        relay=relay,
        place=find_place("/pg/chat/completions"),
        scope={},
        headers={},
        receive=None,
        exchange=None,
        mode="chat",
        dialect="openai",
        request_id="r",
        started_ms=0,
        held=True,
        head_sent=False,
        gone=False,
        ended_by=None,
        tried=[],
        choose=lambda *_: SimpleNamespace(id=1),
        attempt=attempt,
    )
    kept, relay_call.RetryPolicy = relay_call.RetryPolicy, keep
    try:
        await relay_call.carry_out(live)
    except Reached:
        return policies[0]
    finally:
        relay_call.RetryPolicy = kept


async def connections_admitted(stage: Any) -> Any:
    """How many of five clients a process lets in."""
    door = Door(None, back="", head_s_max=1, connections_max=stage.config.max_connections)
    return sum(door.admit(object()) for _ in range(5))
