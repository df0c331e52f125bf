"""What a static page on another site needs to show a key's balance and calls, and what it must not be able to read."""

import time

from sqlalchemy import insert

from schema.tables import Log
from tests.edge.console.test_reading import prepare

SITE = {"Origin": "https://tool.example"}
CALLS = (
    "/v1/dashboard/billing/subscription",
    "/v1/dashboard/billing/usage?start_date=2025-4-1&end_date=2025-4-9",
    "/api/log/token",
)


async def test_balance_and_calls_from_another_site(console):
    async with console.visitor() as http:
        token = await prepare(console, http)
        rows = [
            {
                "user_id": 1,
                "type": 2,
                "token_id": token["id"],
                "created_at": int(time.time()),
                "model_name": None,
                "quota": n,
            }
            for n in range(1100)
        ]
        async with console.services.engine.begin() as db:
            await db.execute(insert(Log), rows)
    key = {"Authorization": f"Bearer sk-{token['key']}"}
    async with console.visitor() as tool:
        for path in CALLS[:2]:
            asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
            preflight = await tool.options(path, headers={**SITE, **asked})
            assert preflight.status_code == 204
            assert preflight.headers["access-control-allow-headers"] == "authorization"
            assert preflight.headers["access-control-allow-origin"] == "*" and "allow-credentials" not in str(
                preflight.headers
            )
            for headers in ({**SITE, **key}, {**SITE, "Authorization": "Bearer sk-wrong"}, SITE):
                reply = await tool.get(path, headers=headers)
                assert reply.headers["access-control-allow-origin"] == "*", reply.status_code
                assert "retry-after" in reply.headers["access-control-expose-headers"].lower()
        shown = (await tool.get(f"{CALLS[2]}?key=sk-{token['key']}", headers=SITE)).json()["data"]
        assert len(shown) == 1000 and [row["quota"] for row in shown] == list(range(100, 1100)), "the newest, ascending"
        assert {row["model_name"] for row in shown} == {""} and {row["other"] for row in shown} == {"null"}
        assert len((await tool.get(f"{CALLS[2]}?limit=5", headers={**SITE, **key})).json()["data"]) == 5
        replies = [await tool.get(f"{CALLS[2]}?key=sk-{token['key']}", headers=SITE) for _ in range(10)]
        assert replies[-1].status_code == 429 and replies[-1].headers["access-control-allow-origin"] == "*"
        assert replies[-1].headers["retry-after"].isdigit()
        console_reply = await tool.get("/api/user/self", headers=SITE)
        assert "access-control-allow-origin" not in console_reply.headers
        assert (await tool.options("/api/user/self", headers=SITE)).status_code == 405
