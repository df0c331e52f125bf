"""What is read: status, models, prices, logs in their three views, series, billing for key tools, and the UI's files."""

import time

from sqlalchemy import insert

from edge.console.ui_files import UiFiles
from schema.tables import Log, QuotaData, UsageHourly

CHANNEL = {"type": 1, "name": "c", "key": "sk-up", "models": "gpt-4o,dall-e-3", "group": "default"}


async def prepare(console, http):
    """Root with a channel and a limited token; returns the token's key."""
    await console.set_up(http)
    assert (await http.post("/api/channel/", json=CHANNEL)).json()["success"]
    body = {"name": "t", "remain_quota": 1_000_000, "unlimited_quota": False}
    return (await http.post("/api/token/", json=body)).json()["data"]


async def add_logs(console, token):
    now = int(time.time())
    rows = [
        {"user_id": 1, "username": "root", "type": 2, "model_name": "gpt-4o", "quota": 7, "prompt_tokens": 3,
         "completion_tokens": 4, "created_at": now - 1, "token_id": token["id"], "channel_id": 1, "token_name": "t",
         "other": '{"model_ratio":1.25,"admin_info":{"use_channel":["1"]}}', "content": "x"},
        {"user_id": 1, "username": "root", "type": 2, "model_name": "dall-e-3", "quota": 5, "prompt_tokens": 0,
         "completion_tokens": 0, "created_at": now - 7200, "token_id": token["id"], "channel_id": 1, "token_name": "t",
         "other": None, "content": "y"},
        {"user_id": 2, "username": "bob", "type": 4, "model_name": "", "quota": 0, "prompt_tokens": 0,
         "completion_tokens": 0, "created_at": now, "token_id": 0, "channel_id": 0, "token_name": "", "other": None,
         "content": "gift"},
    ]  # fmt: skip
    async with console.services.engine.begin() as db:
        await db.execute(insert(Log), rows)
        hour = now - now % 3600
        for user, quota in ((1, 7), (2, 9)):
            await db.execute(
                insert(QuotaData).values(
                    user_id=user,
                    username=str(user),
                    model_name="gpt-4o",
                    created_at=hour,
                    token_used=5,
                    count=2,
                    quota=quota,
                )
            )
            await db.execute(
                insert(UsageHourly).values(
                    hour=hour, channel_id=1, model="gpt-4o", user_id=user, calls=2, quota=quota, prompt_tokens=5
                )
            )


async def test_the_log_in_the_views_of_admin_user_and_key(console):
    async with console.visitor() as http:
        token = await prepare(console, http)
        await add_logs(console, token)
        everything = (await http.get("/api/log/?model_name=gpt%25")).json()["data"]
        assert everything["total"] == 1
        assert everything["items"][0]["channel_name"] == "c"
        assert "admin_info" in everything["items"][0]["other"]
        own = (await http.get("/api/log/self?page_size=1&type=2")).json()["data"]
        assert (own["total"], own["page_size"], len(own["items"])) == (2, 1, 1)
        assert "admin_info" not in own["items"][0]["other"] and own["items"][0]["channel_name"] == ""
        stat = (await http.get("/api/log/stat?type=4")).json()["data"]
        assert stat == {"quota": 12, "rpm": 1, "tpm": 7}
        search = (await http.get("/api/log/search?keyword=gift")).json()["data"]
        assert [row["username"] for row in search] == ["bob"]
        export = await http.get("/api/log/export")
        assert export.text.count("\n") == 4 and export.headers["content-type"].startswith("text/csv")
    async with console.visitor() as tool:  # another site, no session
        reply = await tool.get(f"/api/log/token?key=sk-{token['key']}")
        assert reply.headers["access-control-allow-origin"] == "*"
        rows = reply.json()["data"]
        assert [row["model_name"] for row in rows] == ["gpt-4o", "dall-e-3"]  # by id, the first one first
        assert "admin_info" not in rows[0]["other"] and rows[1]["other"] == "null"
        assert (await tool.get("/api/log/token?key=sk-nobody")).json()["data"] == []
        assert (await tool.get("/api/log/")).status_code == 401


async def test_logs_older_than_a_time_go_and_money_stays(console):
    async with console.visitor() as http:
        token = await prepare(console, http)
        await add_logs(console, token)
        async with console.services.engine.begin() as db:
            await db.execute(insert(Log).values(user_id=1, type=1, created_at=int(time.time()) - 9000, content="paid"))
        assert (await http.delete("/api/log/")).json()["code"] == "target_required"
        assert (await http.delete(f"/api/log/?target_timestamp={int(time.time()) - 3600}")).json()["data"] == 1
        left = (await http.get("/api/log/?type=1")).json()["data"]["items"]
        assert [row["content"] for row in left] == ["paid"]


async def test_models_groups_and_prices(console):
    async with console.visitor() as http:
        token = await prepare(console, http)
        assert (await http.get("/api/user/models")).json()["data"] == ["dall-e-3", "gpt-4o"]
        groups = (await http.get("/api/user/self/groups")).json()["data"]
        assert groups["default"]["ratio"] == 1 and "vip" in groups
        assert "gpt-4o" in (await http.get("/api/models")).json()["data"]["1"]
        prices = (await http.get("/api/pricing")).json()
        rows = {row["model_name"]: row for row in prices["data"]}
        assert (rows["gpt-4o"]["quota_type"], rows["gpt-4o"]["model_ratio"]) == (0, 1.25)
        assert (rows["dall-e-3"]["quota_type"], rows["dall-e-3"]["model_price"]) == (1, 0.04)
        assert prices["group_ratio"]["default"] == 1
        key = {"authorization": f"Bearer sk-{token['key']}"}
        listed = (await http.get("/v1/models", headers=key)).json()
        assert [model["id"] for model in listed["data"]] == ["dall-e-3", "gpt-4o"]
        assert (await http.get("/v1/models/gpt-4o", headers=key)).json()["owned_by"] == "openai"
        missing = await http.get("/v1/models/nothing", headers=key)
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
        claude = (await http.get("/v1/models", headers={**key, "anthropic-version": "2023-06-01"})).json()
        assert claude["data"][0]["type"] == "model" and claude["has_more"] is False
        gemini = (await http.get(f"/v1beta/models?key=sk-{token['key']}")).json()
        assert gemini["models"][0]["name"] == "models/dall-e-3"
        assert (await http.get("/v1/models", headers={"authorization": "Bearer sk-x"})).status_code == 401


async def test_series_and_billing_for_key_tools(console):
    async with console.visitor() as http:
        token = await prepare(console, http)
        await add_logs(console, token)
        now = int(time.time())
        series = (await http.get(f"/api/data/?start_timestamp={now - 9000}&end_timestamp={now}")).json()["data"]
        assert [(row["model_name"], row["count"], row["quota"]) for row in series] == [("gpt-4o", 4, 16)]
        own = (await http.get(f"/api/data/self?start_timestamp={now - 9000}&end_timestamp={now}")).json()["data"]
        assert [(row["user_id"], row["count"], row["quota"]) for row in own] == [(1, 2, 7)]
        assert not (await http.get("/api/data/self?end_timestamp=2592001")).json()["success"]
        users = (await http.get(f"/api/data/users?start_timestamp={now - 9000}&end_timestamp={now}")).json()["data"]
        assert sum(row["quota"] for row in users) == 16 and users[0]["quota"] >= users[-1]["quota"]
        key = {"authorization": f"Bearer sk-{token['key']}"}
        for prefix in ("/v1", ""):
            limit = await http.get(f"{prefix}/dashboard/billing/subscription", headers=key)
            assert limit.json()["hard_limit_usd"] == 2.0  # 1 000 000 units
            assert limit.headers["access-control-allow-origin"] == "*"
            usage = await http.get(f"{prefix}/dashboard/billing/usage?start_date=2025-4-1", headers=key)
            assert usage.json() == {"object": "list", "total_usage": 0}
        body = {"id": token["id"], "unlimited_quota": True}
        assert (await http.put("/api/token/", json=body)).json()["success"]
        limit = (await http.get("/v1/dashboard/billing/subscription", headers=key)).json()
        assert limit["hard_limit_usd"] == 100_000_000
        assert (await http.get("/dashboard/billing/usage")).status_code == 401


async def test_status_needs_no_database_and_tells_no_secret(console):
    console.set_options(EpayKey="hush", SystemName="Mine")
    async with console.visitor() as http:
        facts = (await http.get("/api/status")).json()
        assert facts["success"] and facts["data"]["system_name"] == "Mine"
        assert facts["data"]["quota_per_unit"] == 500_000 and facts["data"]["enable_online_topup"] is False
        assert "hush" not in str(facts)
        assert (await http.get("/api/status/test")).status_code == 401


async def test_pages_assets_and_unknown_paths(console, tmp_path):
    assets = tmp_path / "ui" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "ui" / "index.html").write_text("<html>page</html>")
    (assets / "a-1.js").write_text("x" * 4000)
    files = UiFiles(tmp_path / "ui")

    class Asked:
        def __init__(self, encoding):
            self._encoding = encoding

        def get_first_header(self, name):
            return self._encoding if name == b"accept-encoding" else None

    script = files.find("/assets/a-1.js", Asked(b"gzip, br"))
    assert script.get_first_header(b"content-encoding") == b"gzip" and len(script.content.body) < 400
    assert b"immutable" in script.get_first_header(b"cache-control")
    assert files.find("/assets/old.js", Asked(b"")).status == 404
    page = files.find("/console/channels", Asked(b""))
    assert page.content.body == b"<html>page</html>" and page.get_first_header(b"cache-control") == b"no-cache"
    assert b"script-src 'self'" in page.get_first_header(b"content-security-policy")
    assert UiFiles(tmp_path / "none").find("/", Asked(b"")).status == 200
    async with console.visitor() as http:
        assert (await http.get("/console")).headers["content-type"].startswith("text/html")
        assert (await http.get("/api/nothing")).status_code == 404
        assert (await http.post("/console")).status_code == 404
        wrong = await http.post("/api/status")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
