"""A month in the life of a small reseller, the same every time: accounts of each role, channels good and bad, calls, orders, tasks."""

import asyncio
import json
import math
import random
import time
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import bcrypt
import redis
from sqlalchemy import Connection, create_engine, insert, select

from schema.database import make_engine
from schema.health import BUCKETS, ERRORS, MINUTE, Cell, MinuteCell, Sample, write_cell, write_cells, write_sample
from schema.migrate import migrate
from schema.own_tables import AuditEntry, ChannelBalance, ChannelEvent, ChannelHealth, LedgerEntry, UsageHourly
from schema.tables import (
    Ability,
    Channel,
    Log,
    Midjourney,
    OptionRow,
    QuotaData,
    Redemption,
    Setup,
    Task,
    Token,
    TopUp,
    User,
)
from tests.browser.gateway import Gateway

PASSWORD = "correct-horse-battery"
ROOT, ADMIN, USER, IDLE = "root", "grace", "ada", "newbie"  # user names
KEY = "k" * 40 + "ada12345"  # of ada's first token, without sk-
DAYS = 30
HOUR = 3600
DAY = 24 * HOUR
MODELS: dict[
    str, tuple[str, str, str]
] = {  # name -> ratios of model, completion and cache, as the built-in price list has them
    "gpt-4o": ("1.25", "4", "0.5"),
    "gpt-4o-mini": ("0.075", "4", "0.5"),
    "claude-3-5-sonnet-20241022": ("1.5", "5", "0.1"),
    "deepseek-chat": ("0.135", "4", "0.25"),
    "gemini-2.0-flash": ("0.05", "4", "0.25"),
    "o1-mini": ("1.5", "4", "0.5"),
}
CHANNELS: list[
    tuple[str, int, str, str, str, int, float]
] = [  # name, type, provider, models, tag, status, share of failures
    ("OpenAI main", 1, "openai", "gpt-4o,gpt-4o-mini,o1-mini", "openai", 1, 0.004),
    ("OpenAI backup", 1, "openai", "gpt-4o,gpt-4o-mini", "openai", 1, 0.031),
    ("Azure Sweden", 3, "azure", "gpt-4o,gpt-4o-mini", "azure", 1, 0.002),
    ("Azure East US", 3, "azure", "gpt-4o", "azure", 1, 0.17),
    ("Anthropic", 14, "anthropic", "claude-3-5-sonnet-20241022", "claude", 1, 0.008),
    ("Bedrock Frankfurt", 33, "aws", "claude-3-5-sonnet-20241022", "claude", 1, 0.012),
    ("DeepSeek", 43, "deepseek", "deepseek-chat", "", 1, 0.006),
    ("Gemini", 24, "gemini", "gemini-2.0-flash", "", 1, 0.01),
    ("Vertex AI", 41, "vertex", "gemini-2.0-flash", "", 2, 0.0),
    ("OpenRouter", 20, "openrouter", "gpt-4o,claude-3-5-sonnet-20241022,deepseek-chat", "fallback", 3, 0.4),
    ("Midjourney Proxy", 2, "midjourney", "mj_imagine,mj_upscale", "drawing", 1, 0.0),
    ("Suno", 36, "suno", "suno_music,suno_lyrics", "music", 1, 0.0),
]
DRAINED = 3  # takes no new calls
SLOWER = 6  # than it was all week
SPEED = {1: 2.2, 3: 1.7, 14: 3.4, 33: 3.0, 43: 4.1, 24: 1.2, 20: 3.2}  # median seconds of an answer
ERROR_KINDS = (("rate_limit", 429, "Rate limit reached for requests"), ("server", 502, "Bad gateway"), ("timeout", 504, "The upstream did not answer in time"),
               ("auth", 401, "Incorrect API key provided"))  # fmt: skip
PICTURE = "https://example.invalid/none.png"


async def _migrate(gateway: Gateway) -> None:
    engine = make_engine(gateway.dsn)
    await migrate(engine)
    await engine.dispose()


def seed(gateway: Gateway, upstream: str) -> None:
    """Fill the database of a gateway that does not run yet."""
    asyncio.run(_migrate(gateway))
    dice = random.Random(7)
    now = int(time.time())
    engine = create_engine(gateway.dsn, connect_args={"timeout": 30})
    with engine.begin() as db:
        _accounts(db, now, dice)
        _channels(db, now, upstream, dice)
        _tokens(db, now)
        _calls(db, now, dice)
        _books(db, now)
        _money(db, now, dice)
        _tasks(db, now, dice)
        _health_spans(db, now, dice)
        _audit(db, now)
        db.execute(insert(Setup).values(version="test", initialized_at=now - DAYS * DAY))
        db.execute(insert(OptionRow), [{"key": key, "value": value} for key, value in _options(gateway).items()])
    engine.dispose()


def _options(gateway: Gateway) -> dict[str, str]:
    return {
        "SystemName": "Aurora Gateway", "ServerAddress": gateway.address, "DisplayInCurrencyEnabled": "true", "DataExportEnabled": "true",
        "DrawingEnabled": "true", "TaskEnabled": "true", "AutomaticDisableChannelEnabled": "true",
        "Notice": "**Maintenance** on Sunday, 02:00 UTC: about ten minutes.",
        "About": "# About Aurora\n\nAurora shares one set of provider accounts with the whole institute.\n\n- Prices are those of the providers\n- Questions: the help desk",
        "GroupRatio": json.dumps({"default": 1, "vip": 0.9, "svip": 0.8}),
        "UserUsableGroups": json.dumps({"default": "Everybody", "vip": "Research groups"}),
        "PayAddress": "https://pay.example.com", "EpayId": "1001", "EpayKey": "secret-of-the-shop", "Price": "7.3", "MinTopUp": "1",
    }  # fmt: skip


def _accounts(db: Connection, now: int, dice: random.Random) -> None:
    digest = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    named = [
        (ROOT, "Root", 100, "default", 250),
        (ADMIN, "Grace Hopper", 10, "default", 80),
        (USER, "Ada Lovelace", 1, "vip", 42),
        (IDLE, "New Person", 1, "default", 2),
    ]
    others = [
        (f"user{n:02}", f"Person {n}", 1, dice.choice(["default", "default", "vip"]), dice.randint(0, 90))
        for n in range(5, 41)
    ]
    for number, (name, shown, role, group, dollars) in enumerate([*named, *others], 1):
        quota = dollars * 500_000 + dice.randint(0, 400_000)
        db.execute(
            insert(User).values(
                id=number, username=name, display_name=shown, password=digest, role=role, status=2 if number == 12 else 1, quota=quota,
                used_quota=0, request_count=0, group=group, aff_code=f"A{number:03}", aff_count=2 if number == 3 else 0,
                aff_quota=250_000 if number == 3 else 0, aff_history=250_000 if number == 3 else 0, email=f"{name}@example.com",
                created_at=now - DAYS * DAY, last_login_at=now - number * HOUR,
            )
        )  # fmt: skip


def _channels(db: Connection, now: int, upstream: str, dice: random.Random) -> None:
    for number, (name, kind, provider, models, tag, status, failing) in enumerate(CHANNELS, 1):
        reason = {"status_reason": "401 Incorrect API key provided", "status_time": now - 5400} if status == 3 else {}
        reason |= {"drained": True} if number == DRAINED else {}
        balance = round(dice.uniform(8, 400), 2)
        db.execute(
            insert(Channel).values(
                id=number, type=kind, provider=provider, key=f"sk-upstream-{number}", status=status, name=name, weight=dice.choice([0, 5, 10]),
                created_time=now - DAYS * DAY, test_time=now - 600 * number, response_time=int(SPEED.get(kind, 2) * 400 * (1 + failing * 6)),
                base_url=upstream, models=models, group="default,vip" if number % 3 else "default", used_quota=0, priority=10 if number < 9 else 0,
                tag=tag or None, balance=balance, balance_updated_time=now - 1800, other_info=json.dumps(reason),
                other="2024-12-01-preview" if kind == 3 else "us-central1" if kind == 41 else "", auto_ban=1,
            )
        )  # fmt: skip
        cells = [
            {
                "group": group,
                "model": model,
                "channel_id": number,
                "enabled": status == 1,
                "priority": 10 if number < 9 else 0,
                "weight": 5,
            }
            for model in models.split(",")
            for group in (("default", "vip") if number % 3 else ("default",))
        ]
        db.execute(insert(Ability), cells)
        points = [
            {"channel_id": number, "at_ms": (now - day * DAY) * 1000, "balance": balance + day * dice.uniform(1, 9)}
            for day in range(6, -1, -1)
        ]
        db.execute(insert(ChannelBalance), points)
    events = [
        (4, 26, "rule:2", 1, 3, 429, "Rate limit reached for requests"), (4, 25, "probe", 3, 1, None, "The test passed"),
        (10, 40, "rule:1", 1, 3, 401, "Incorrect API key provided"), (10, 39, f"user:{1}", 3, 1, None, "Enabled by hand"),
        (10, 1.5, "rule:1", 1, 3, 401, "Incorrect API key provided"), (9, 70, "user:1", 1, 2, None, "Disabled by hand"),
    ]  # fmt: skip
    for channel, hours, actor, before, after, code, message in events:
        db.execute(
            insert(ChannelEvent).values(
                channel_id=channel,
                at_ms=int((now - hours * HOUR) * 1000),
                kind="status",
                actor=actor,
                from_status=before,
                to_status=after,
                status_code=code,
                message=message,
                keyword="",
                model="",
                attempts=30,
            )
        )


def _tokens(db: Connection, now: int) -> None:
    rows: list[dict[str, Any]] = [
        {"id": 1, "user_id": 3, "key": KEY, "name": "laptop", "unlimited_quota": True, "remain_quota": 0, "accessed_time": now - 90},
        {"id": 2, "user_id": 3, "key": "m" * 48, "name": "ci pipeline", "remain_quota": 1_234_567, "group": "vip", "accessed_time": now - DAY, "model_limits_enabled": True, "model_limits": "gpt-4o,gpt-4o-mini", "allow_ips": "10.0.0.0/8"},
        {"id": 3, "user_id": 3, "key": "n" * 48, "name": "old workshop", "remain_quota": 500_000, "expired_time": now - DAY, "status": 3},
        {"id": 4, "user_id": 3, "key": "o" * 48, "name": "experiments", "remain_quota": 0, "status": 4, "used_quota": 2_500_000},
        {"id": 5, "user_id": 1, "key": "p" * 48, "name": "root tools", "unlimited_quota": True, "remain_quota": 0, "accessed_time": now - HOUR},
        {"id": 6, "user_id": 2, "key": "q" * 48, "name": "monitoring", "remain_quota": 900_000, "accessed_time": now - 2 * HOUR},
    ]  # fmt: skip
    defaults = {
        "status": 1,
        "expired_time": -1,
        "unlimited_quota": False,
        "used_quota": 0,
        "group": "",
        "model_limits_enabled": False,
        "model_limits": "",
        "allow_ips": None,
        "created_time": now - 20 * DAY,
        "accessed_time": 0,
    }
    db.execute(insert(Token), [{**defaults, **row} for row in rows])


def _busy(at: int) -> float:
    """How busy an hour is, 0 to 1: working hours, fewer at the weekend."""
    hour, day = at // HOUR % 24, (at // DAY + 3) % 7
    return (0.25 + 0.75 * math.exp(-(((hour - 14) / 5) ** 2))) * (0.45 if day >= 5 else 1.0)


def _calls(db: Connection, now: int, dice: random.Random) -> None:
    serving = [
        (number, set(row[3].split(",")) & set(MODELS), row[6]) for number, row in enumerate(CHANNELS, 1) if row[5] == 1
    ]
    favourites = [3, 3, 3, 1, 2, *range(5, 41)]
    rows: list[dict[str, Any]] = []
    hourly: dict[tuple[int, ...], list[Any]] = {}
    for hours in range(DAYS * 24, -1, -1):
        hour = (now - hours * HOUR) // HOUR * HOUR
        for _ in range(int(22 * _busy(hour)) + 1):
            channel, models, failing = dice.choice([one for one in serving if one[1]])
            at = min(now - 5, hour + dice.randint(0, HOUR - 1))
            user = dice.choice(favourites)
            row = _call(
                at,
                dice.choice(sorted(models)),
                user,
                channel,
                failed=dice.random() < failing,
                number=len(rows),
                dice=dice,
            )
            rows.append(row)
            _count(hourly, hour, row)
    rows.sort(key=lambda row: row["created_at"])
    for start in range(0, len(rows), 500):
        db.execute(insert(Log), rows[start : start + 500])
    db.execute(insert(Log), _other_rows(now))
    db.execute(insert(UsageHourly), [cell[0] for cell in hourly.values()])
    _sums(db, rows, now)


def _call(
    at: int, model: str, user: int, channel: int, *, failed: bool, number: int, dice: random.Random
) -> dict[str, Any]:
    ratio, completion_ratio, cache_ratio = map(Decimal, MODELS[model])
    prompt, completion = dice.randint(200, 9000), dice.randint(20, 1500)
    cached = prompt * dice.choice([0, 0, 40, 70]) // 100
    group = "vip" if user == 3 else "default"
    share = Decimal("0.9") if group == "vip" else Decimal(1)
    exact = ((prompt - cached) + cached * cache_ratio + completion * completion_ratio) * ratio * share
    name = {1: ROOT, 2: ADMIN, 3: USER, 4: IDLE}.get(user, f"user{user:02}")
    request_id = f"req-{at}-{number:06}"
    ms = int(dice.lognormvariate(math.log(SPEED.get(CHANNELS[channel - 1][1], 2) * 1000), 0.5))
    common = {
        "user_id": user,
        "username": name,
        "created_at": at,
        "model_name": model,
        "channel_id": channel,
        "group": group,
        "token_name": {3: "laptop", 1: "root tools", 2: "monitoring"}.get(user, "default"),
        "token_id": {3: 1, 1: 5, 2: 6}.get(user, 0),
        "request_id": request_id,
        "is_stream": number % 3 > 0,
        "elapsed_time": ms,
        "use_time": ms // 1000,
        "ip": "203.0.113.9",
    }
    if failed:
        _, status, text = dice.choice(ERROR_KINDS)
        other: dict[str, Any] = {
            "error_code": "upstream_failed",
            "status_code": status,
            "frt": -1000,
            "request_id": request_id,
            "admin_info": {"use_channel": [str(channel), "1"]},
        }
        return {
            **common,
            "type": 5,
            "content": text,
            "quota": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "other": json.dumps(other),
            "status_code": status,
            "saved": 0,
            "cached": 0,
        }
    other = {
        "model_ratio": float(ratio),
        "group_ratio": float(share),
        "completion_ratio": float(completion_ratio),
        "model_price": -1,
        "cache_tokens": cached,
        "cache_ratio": float(cache_ratio),
        "frt": ms // 4,
        "admin_info": {"use_channel": [str(channel)]},
        "request_id": request_id,
        "estimated": False,
    }
    quota = max(1, int(exact.to_integral_value(ROUND_HALF_UP)))
    saved = int(cached * (1 - cache_ratio) * ratio * share)
    return {
        **common,
        "type": 2,
        "content": f"模型倍率 {ratio}，补全倍率 {completion_ratio}，分组倍率 {share}",
        "quota": quota,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "other": json.dumps(other),
        "status_code": 200,
        "saved": saved,
        "cached": cached,
    }


def _count(hourly: dict[tuple[int, ...], list[Any]], hour: int, row: dict[str, Any]) -> None:
    saved, cached = row.pop("saved"), row.pop("cached")
    key = (hour, row["user_id"], row["token_id"], row["channel_id"], list(MODELS).index(row["model_name"]))
    cell = hourly.setdefault(
        key,
        [
            {
                "hour": hour,
                "channel_id": row["channel_id"],
                "model": row["model_name"],
                "user_id": row["user_id"],
                "token_id": row["token_id"],
                "group": row["group"],
                "calls": 0,
                "errors": 0,
                "streams": 0,
                "quota": 0,
                "quota_saved": 0,
                "prompt_tokens": 0,
                "cached_tokens": 0,
                "cache_write_tokens": 0,
                "completion_tokens": 0,
                "reasoning_tokens": 0,
                "latency_ms_sum": 0,
                "latency_ms_max": 0,
                "first_byte_ms_sum": 0,
                "first_byte_count": 0,
            }
        ],
    )[0]
    cell["calls"] += 1
    cell["errors"] += row["type"] == 5
    cell["streams"] += row["is_stream"]
    for name, value in (
        ("quota", row["quota"]),
        ("quota_saved", saved),
        ("prompt_tokens", row["prompt_tokens"]),
        ("cached_tokens", cached),
        ("completion_tokens", row["completion_tokens"]),
        ("latency_ms_sum", row["elapsed_time"]),
    ):
        cell[name] += value
    cell["latency_ms_max"] = max(cell["latency_ms_max"], row["elapsed_time"])


def _sums(db: Connection, rows: list[dict[str, Any]], now: int) -> None:
    """What settlement keeps beside the log: hours for the dashboard, counters of accounts, tokens and channels."""
    hours: dict[tuple[int, str, str, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    totals: dict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        if row["type"] != 2:
            continue
        cell = hours[row["user_id"], row["username"], row["model_name"], row["created_at"] // HOUR * HOUR]
        for place, value in enumerate((row["prompt_tokens"] + row["completion_tokens"], 1, row["quota"])):
            cell[place] += value
        for what in (("user", row["user_id"]), ("token", row["token_id"]), ("channel", row["channel_id"])):
            totals[what][0] += row["quota"]
            totals[what][1] += 1
    db.execute(
        insert(QuotaData),
        [
            {
                "user_id": key[0],
                "username": key[1],
                "model_name": key[2],
                "created_at": key[3],
                "token_used": cell[0],
                "count": cell[1],
                "quota": cell[2],
            }
            for key, cell in hours.items()
        ],
    )
    for (what, number), (quota, calls) in totals.items():
        if what == "user":
            db.execute(User.__table__.update().where(User.id == number).values(used_quota=quota, request_count=calls))
        else:
            table = Token if what == "token" else Channel
            db.execute(table.__table__.update().where(table.id == number).values(used_quota=quota))


def _books(db: Connection, now: int) -> None:
    """The ledger behind the balances, so that reconciliation finds nothing."""
    at_ms = (now - DAYS * DAY) * 1000
    rows: list[dict[str, Any]] = []
    for user, quota, used in db.execute(select(User.id, User.quota, User.used_quota)).all():
        rows.append({"kind": "opening", "reference": f"user:{user}", "user_id": user, "delta": quota + used})
        rows.append({"kind": "settle", "reference": f"seed:{user}", "user_id": user, "delta": -used})
    for token, user, left in db.execute(select(Token.id, Token.user_id, Token.remain_quota)).all():
        opening = {"kind": "opening", "reference": f"token:{token}", "user_id": user, "delta": 0}
        rows.append({**opening, "token_id": token, "token_delta": left})
    db.execute(insert(LedgerEntry), [{"token_id": 0, "token_delta": 0, "at_ms": at_ms, **row} for row in rows])


def _other_rows(now: int) -> list[dict[str, Any]]:
    base = {
        "quota": 0,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "use_time": 0,
        "is_stream": False,
        "channel_id": 0,
        "token_id": 0,
        "group": "",
        "model_name": "",
        "token_name": "",
        "other": "",
        "user_id": 3,
        "username": USER,
    }
    return [
        {**base, "type": 1, "created_at": now - 3 * HOUR, "content": "Redeemed a code worth $10.00"},
        {
            **base,
            "type": 3,
            "created_at": now - 5 * HOUR,
            "content": "root changed the quota by $5.00: goodwill for the outage",
        },
        {**base, "type": 4, "created_at": now - 9 * HOUR, "content": "Gift for new accounts: $2.00"},
    ]


def _money(db: Connection, now: int, dice: random.Random) -> None:
    codes = [
        {
            "id": n,
            "user_id": 1,
            "key": f"{n:032x}",
            "status": 3 if n % 4 == 0 else 2 if n == 7 else 1,
            "name": "Workshop" if n % 2 else "Newsletter",
            "quota": 500_000 * dice.choice([1, 5, 10]),
            "created_time": now - n * HOUR * 5,
            "redeemed_time": now - n * HOUR if n % 4 == 0 else 0,
            "used_user_id": 3 if n % 4 == 0 else 0,
        }
        for n in range(1, 31)
    ]
    db.execute(insert(Redemption), codes)
    orders = [
        {
            "id": n,
            "user_id": 3,
            "amount": dice.choice([5, 10, 20, 50]),
            "money": round(7.3 * dice.choice([5, 10, 20]), 2),
            "trade_no": f"T{now - n * DAY}{n:04}",
            "create_time": now - n * DAY,
            "status": ("success", "success", "pending", "expired")[n % 4],
        }
        for n in range(1, 13)
    ]
    db.execute(insert(TopUp), orders)


def _tasks(db: Connection, now: int, dice: random.Random) -> None:
    drawings = []
    for n in range(1, 25):
        status = ("SUCCESS", "SUCCESS", "IN_PROGRESS", "FAILURE", "SUBMITTED")[n % 5]
        start = (now - n * 1300) * 1000
        drawings.append(
            {
                "id": n,
                "code": 1,
                "user_id": 3 if n % 2 else 5,
                "action": ("IMAGINE", "UPSCALE", "DESCRIBE")[n % 3],
                "mj_id": f"17{n:014}",
                "prompt": f"a lighthouse in a storm, oil on canvas, no. {n}",
                "prompt_en": "",
                "description": "",
                "state": "",
                "submit_time": start,
                "start_time": start + 2000,
                "finish_time": start + 48_000 if status in ("SUCCESS", "FAILURE") else 0,
                "image_url": "",
                "status": status,
                "progress": {"SUCCESS": "100%", "IN_PROGRESS": f"{dice.randint(10, 90)}%"}.get(status, "0%"),
                "fail_reason": "The prompt was refused by the moderator" if status == "FAILURE" else "",
                "channel_id": 11,
                "quota": 50_000,
                "buttons": "",
                "properties": "",
            }
        )
    db.execute(insert(Midjourney), drawings)
    songs = []
    for n in range(1, 17):
        status = ("SUCCESS", "IN_PROGRESS", "FAILURE", "QUEUED")[n % 4]
        at = now - n * 2100
        songs.append(
            {
                "id": n,
                "created_at": at,
                "updated_at": at + 60,
                "task_id": f"{n:08x}-song",
                "platform": "suno",
                "user_id": 3 if n % 2 else 6,
                "channel_id": 12,
                "quota": 25_000,
                "action": "MUSIC" if n % 3 else "LYRICS",
                "status": status,
                "fail_reason": "The upstream refused the lyrics" if status == "FAILURE" else "",
                "submit_time": at,
                "start_time": at + 2,
                "finish_time": at + 95 if status in ("SUCCESS", "FAILURE") else 0,
                "progress": {"SUCCESS": "100%", "IN_PROGRESS": "45%"}.get(status, "0%"),
                "properties": {"input": "a song about rain"},
                "data": [{"title": "Rain", "duration": 95}] if status == "SUCCESS" else None,
            }
        )
    db.execute(insert(Task), songs)


def _cell(calls: int, failing: float, speed_s: float, at: int, dice: random.Random) -> Cell:
    cell = Cell(latency=[0] * BUCKETS, first_byte=[0] * BUCKETS, errors={})
    for _ in range(calls):
        if dice.random() < failing:
            kind = dice.choice(ERROR_KINDS)[0]
            cell.failed += 1
            cell.last_failed_s = at
            cell.errors[kind] = cell.errors.get(kind, 0) + 1
            continue
        cell.ok += 1
        cell.last_ok_s = at
        cell.latency[_bucket(dice.lognormvariate(math.log(speed_s * 1000), 0.5))] += 1
        if dice.random() < 0.66:
            cell.streams += 1
            cell.first_byte[_bucket(dice.lognormvariate(math.log(speed_s * 250), 0.45))] += 1
    cell.prompt_tokens, cell.completion_tokens, cell.quota = cell.ok * 2100, cell.ok * 480, cell.ok * 3100
    return cell


def _bucket(ms: float) -> int:
    from schema.health import BOUNDS

    return next((place for place, bound in enumerate(BOUNDS) if ms <= bound), BUCKETS - 1)


def _serving() -> list[tuple[int, str, float, float]]:
    """Channel, its first model, share of failures, speed."""
    return [
        (n, row[3].split(",")[0], row[6], SPEED.get(row[1], 2.0))
        for n, row in enumerate(CHANNELS, 1)
        if row[5] == 1 and row[6] > 0
    ]


def _health_spans(db: Connection, now: int, dice: random.Random) -> None:
    rows: list[dict[str, Any]] = []
    for channel, model, failing, speed in _serving():
        for step, back, calls in ((600, DAY, 6), (HOUR, 8 * DAY, 30), (DAY, DAYS * DAY, 120)):
            for at in range((now - back) // step * step, now, step):
                worse = 3.0 if failing > 0.02 and at // HOUR % 24 in (13, 14, 15) else 1.0
                cell = write_cell(_cell(int(calls * _busy(at)) + 1, min(0.9, failing * worse), speed, at, dice))
                rows += [
                    {"step": step, "at": at, "channel_id": channel, "model": name, "cell": cell} for name in ("", model)
                ]
    for start in range(0, len(rows), 500):
        db.execute(insert(ChannelHealth), rows[start : start + 500])


def _audit(db: Connection, now: int) -> None:
    """A setting with both values, one with a table, a channel's members, an account, a key that was looked at."""
    told: list[tuple[float, int, str, str, str, str, dict[str, Any]]] = [
        (70, 1, ROOT, "option.write", "option", "Price", {"before": "7", "after": "7.3"}),
        (50, 1, ROOT, "option.write", "option", "GroupRatio", {"before": {"vip": 1}, "after": {"vip": 0.9, "svip": 0.8}}),
        (30, 2, ADMIN, "channel.update", "channel", "4", {"members": ["priority", "weight"]}),
        (9, 2, ADMIN, "user.disable", "user", "12", {}),
        (1.5, 2, ADMIN, "channel.reveal_key", "channel", "5", {}),
    ]  # fmt: skip
    rows = [
        {"at_ms": int((now - hours * HOUR) * 1000), "actor_id": actor_id, "actor": actor, "ip": "203.0.113.7",
         "action": action, "subject": subject, "subject_id": target, "detail": json.dumps(detail)}
        for hours, actor_id, actor, action, subject, target, detail in told
    ]  # fmt: skip
    db.execute(insert(AuditEntry), rows)


def seed_live_health(gateway: Gateway) -> None:
    """The figures of the last two hours, as edges leave them in Valkey; the gateway runs."""
    with redis.Redis.from_url(gateway.redis_url) as cache:
        _live_health(cache, int(time.time()), random.Random(8))


def _live_health(cache: Any, now: int, dice: random.Random) -> None:
    for minute in range(now // 60 - 119, now // 60 + 1):
        cells = []
        for channel, model, failing, speed in _serving():
            cell = _cell(dice.randint(1, 9), failing, speed * (2.6 if channel == SLOWER else 1), minute * 60, dice)
            cells.append(MinuteCell(channel, model, cell))
        cache.hset(f"{MINUTE}{minute}", "seed", write_cells(cells))
        cache.expire(f"{MINUTE}{minute}", 2 * HOUR)
    for channel, model, failing, _ in _serving():
        if failing < 0.01:
            continue
        for kind, status, text in ERROR_KINDS[:3]:
            sample = Sample(
                kind,
                status,
                text,
                model,
                now - 5 * HOUR,
                now - dice.randint(30, 3000),
                int(failing * 300) + 1,
                [f"req-{now}-{channel:06}"],
            )
            cache.hset(f"{ERRORS}{channel}", f"seed|{kind}", write_sample(sample))


def crowd(gateway: Gateway, *, channels: int, logs: int) -> None:
    """Many channels and many rows of log on top: what a large site has."""
    now = int(time.time())
    engine = create_engine(gateway.dsn, connect_args={"timeout": 30})
    with engine.begin() as db:
        first = max(db.execute(select(Channel.id)).scalars()) + 1
        db.execute(
            insert(Channel),
            [
                {
                    "id": first + n,
                    "type": 1,
                    "provider": "openai",
                    "key": f"sk-{n}",
                    "status": 1,
                    "name": f"Account {n:04}",
                    "weight": 1,
                    "models": "gpt-4o,gpt-4o-mini",
                    "group": "default",
                    "priority": 0,
                    "tag": f"pool-{n % 20:02}",
                    "base_url": "",
                    "other_info": "",
                    "used_quota": n,
                }
                for n in range(channels)
            ],
        )
        row = {
            "user_id": 5,
            "username": "user05",
            "type": 2,
            "content": "",
            "token_name": "default",
            "model_name": "gpt-4o-mini",
            "quota": 120,
            "prompt_tokens": 900,
            "completion_tokens": 80,
            "use_time": 1,
            "is_stream": True,
            "channel_id": 1,
            "token_id": 0,
            "group": "default",
            "other": '{"model_ratio":0.075,"group_ratio":1,"completion_ratio":4,"model_price":-1}',
        }
        for start in range(0, logs, 5000):
            db.execute(
                insert(Log),
                [
                    {**row, "created_at": now - DAYS * DAY - 20 * n, "request_id": f"old-{n}"}
                    for n in range(start, min(logs, start + 5000))
                ],
            )
    engine.dispose()
