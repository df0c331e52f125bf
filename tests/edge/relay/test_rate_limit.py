"""The request rate limit across edges: exact under a burst, failed calls free their place among the successful ones."""

import asyncio
import json
from pathlib import Path

from sqlalchemy import delete, insert

from schema.counting import estimate_prompt
from schema.ledger import signals
from schema.tables import OptionRow, User
from tests.system import System, open_system, until

CHAT = "/v1/chat/completions"
BODY = {"model": "plain", "messages": [{"role": "user", "content": "hello"}]}


async def _limit(system: System, **options: str) -> None:
    rows = {"ModelRequestRateLimitEnabled": "true", "ModelRequestRateLimitDurationMinutes": "1", **options}
    async with system.engine.begin() as db:
        await db.execute(delete(OptionRow).where(OptionRow.key.in_(list(rows))))
        await db.execute(insert(OptionRow), [{"key": key, "value": value} for key, value in rows.items()])
    await signals.changed(system.redis, "options")


async def test_limits_hold_across_edges(tmp_path: Path):
    async with open_system(tmp_path) as system:
        await system.seed(users=3, models=("nobody",))
        await _limit(
            system,
            ModelRequestRateLimitCount="0",
            ModelRequestRateLimitSuccessCount="7",
            ModelRequestRateLimitGroup='{"small":[3,0],"free":[0,0]}',
        )
        async with system.engine.begin() as db:
            await db.execute(User.__table__.update().where(User.id == 2).values(group="small"))
        system.add_edge()
        system.add_edge()
        system.add_worker()
        await system.ready(0)
        await system.ready(1)
        async with system.client(0) as one, system.client(1) as two:
            # calls that fail do not count among the successful ones
            for _ in range(5):
                failed = await one.post(CHAT, json={**BODY, "model": "unknown"})
                assert failed.status_code == 503
            answers = await asyncio.gather(*(http.post(CHAT, json=BODY) for http in (one, two) for _ in range(10)))
            good = [answer for answer in answers if answer.status_code == 200]
            refused = [answer for answer in answers if answer.status_code == 429]
            assert len(good) == 7 and len(good) + len(refused) == 20
            first = refused[0]
            assert first.json()["error"]["code"] == "rate_limit_exceeded"
            assert 0 < int(first.headers["retry-after"]) <= 60
            assert first.headers["x-ratelimit-limit-requests"] == "7"
            assert min(int(answer.headers["x-ratelimit-remaining-requests"]) for answer in good) == 0
            claude = {"model": "plain", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
            told = await one.post("/v1/messages", json=claude)
            assert told.status_code == 429 and told.json()["error"]["type"] == "rate_limit_error"
        async with system.client(1, user=2) as small:  # its group counts every call, failed ones too
            codes = [(await small.post(CHAT, json=BODY)).status_code for _ in range(5)]
            assert codes == [503, 503, 503, 429, 429]
        async with system.client(0, user=3) as other:
            assert (await other.post(CHAT, json=BODY)).status_code == 200, "another user is not limited by the first"

        async def booked() -> bool:
            return len(await system.charged()) == 8

        await until(booked, "the answered calls are charged, and no other")
        await until(system.no_holds, "no hold is left behind")
        await _check_tokens(system)


async def _check_tokens(system: System) -> None:
    """Model tokens per minute: what is open counts with its guess, what is settled with its usage, on both edges alike."""
    body = {**BODY, "model": "slow", "stream": True, "max_tokens": 1000}
    guess = estimate_prompt(len(json.dumps(body, separators=(",", ":")))) + 1000
    limits = json.dumps({"default": 4 * guess})
    options = {"ModelTokensPerMinuteLimit": "0", "ModelTokensPerMinuteGroup": limits}
    await _limit(system, ModelRequestRateLimitEnabled="false", **options)
    async with system.client(0, user=3) as one, system.client(1, user=3) as two:

        async def limited() -> bool:
            heads = [(await http.post(CHAT, json={**BODY, "model": "unknown"})).headers for http in (one, two)]
            return all("x-ratelimit-limit-tokens" in head for head in heads)

        await until(limited, "the new setting is not seen")
        answers = await asyncio.gather(*(http.post(CHAT, json=body) for http in (one, two) for _ in range(6)))
        good = [answer for answer in answers if answer.status_code == 200]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert (len(good), len(refused)) == (4, 8), "calls that failed gave their tokens back"
        assert "tokens in 1 minutes" in refused[0].json()["error"]["message"]
        assert 0 < int(refused[0].headers["retry-after"]) <= 60
        claude = {"model": "plain", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}
        told = await two.post("/v1/messages", json=claude)
        assert told.status_code == 429, "4 x 1500 tokens were used, more than was guessed"
        assert told.json()["error"]["type"] == "rate_limit_error"
    await until(system.no_holds, "no hold is left behind")
