"""Defects of the predecessor that no other test of this folder shows absent; the numbers are those of the specification."""

import pytest
from sqlalchemy import event, update
from sqlalchemy.exc import OperationalError

from schema.log_keeping.deletion import _day_sums
from schema.models_catalog import default_models
from schema.tables import AsyncTask, Channel, LedgerEntry, UsageHourly
from schema.tasks.midjourney import Midjourney as Platform
from workers.poll import PAUSED


class Broken:
    """Statements that name this table fail, as on a full disk."""

    def __init__(self, engine, *words):
        self._engine, self._words = engine.sync_engine, words

    def __enter__(self):
        event.listen(self._engine, "before_cursor_execute", self._fail)

    def __exit__(self, *_):
        event.remove(self._engine, "before_cursor_execute", self._fail)

    def _fail(self, _connection, _cursor, statement, *_):
        if all(word in statement for word in self._words):
            raise OperationalError(statement, {}, Exception("disk full"))


async def test_a_save_that_fails_refunds_nothing_and_the_next_one_refunds_once(bed):  # D-6
    song = (await bed.http.post("/suno/submit/music", json={"prompt": "x"})).json()["data"]
    bed.upstream.fail(song)
    with Broken(bed.engine, "UPDATE tasks"):  # the last rows of the transaction
        for _ in range(2):
            with pytest.raises(OperationalError):
                await bed.look(channel=2)
    assert await bed.moves() == [("settle", -50_000)]
    assert (await bed.task()).billing_state == "settled"
    for _ in range(3):
        await bed.look(channel=2)
    assert await bed.moves() == [("settle", -50_000), ("refund", 50_000)]
    await bed.check_books(spent=0)


async def test_a_row_that_cannot_be_stored_costs_nothing_and_sends_nothing(bed):  # D-13
    with Broken(bed.edge.engine, "INSERT INTO mx_async_tasks"):
        refused = await bed.http.post("/suno/submit/music", json={"prompt": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "temporarily_unavailable")
    assert bed.upstream.requests == [] and await bed.moves() == []
    await bed.check_books(spent=0)


async def test_a_ledger_that_cannot_be_written_leaves_the_task_to_the_workers(bed, monkeypatch):  # D-13
    with Broken(bed.edge.engine, "INSERT INTO mx_ledger_entries"):
        answer = await bed.imagine()
    assert answer["status"] == 200 and await bed.moves() == []
    assert (await bed.task()).status == "SUBMITTING", "state and money move together or not at all"
    monkeypatch.setattr("workers.task_sweep.NOTE_AGE_MS", -1_000)
    await bed.sweep()
    assert (await bed.task()).status == "SUBMITTED"
    await bed.check_books(spent=50_000)


async def test_a_channel_without_an_address_rests_and_stops_nobody(bed):  # D-9, D-25
    await bed.imagine()
    song = (await bed.http.post("/suno/submit/music", json={"prompt": "x"})).json()["data"]
    async with bed.engine.begin() as db:  # as only an old database can have it
        await db.execute(update(Channel).where(Channel.id == 1).values(base_url=None))
    assert (await bed.look()).failed
    assert await bed.worker.redis.get(f"{PAUSED}1") == b"setup"
    bed.upstream.finish(song)
    assert (await bed.look(channel=2)).changed == 1
    await bed.reload()
    refused = await bed.imagine()
    assert (refused["status"], refused["type"]) == (500, "upstream_error")
    assert (await bed.task()).billing_state == "released"
    await bed.check_books(spent=100_000)


def test_every_model_of_the_default_lists_has_a_route():  # D-20
    platform = Platform()
    offered = set(default_models("midjourney_plus"))
    submits = [
        ("submit/upload-discord-images", {"base64Array": ["x"]}), ("submit/imagine", {"prompt": "x"}),
        ("insight-face/swap", {"sourceBase64": "a", "targetBase64": "b"}), ("submit/blend", {}), ("submit/describe", {}),
        ("submit/shorten", {}), ("submit/modal", {"taskId": "1"}),
        *[("submit/change", {"taskId": "1", "action": one, "index": 1}) for one in ("UPSCALE", "VARIATION", "REROLL")],
        *[("submit/action", {"taskId": "1", "customId": f"MJ::{one}"}) for one in ("Outpaint::1", "CustomZoom", "Inpaint")],
        *[("submit/action", {"taskId": "1", "customId": f"MJ::JOB::{one}::1"})
          for one in ("high_variation", "low_variation", "pan_up")],
    ]  # fmt: skip
    assert {platform.read_submit(path, body).model for path, body in submits} == offered


async def test_a_key_of_several_asks_for_its_own_tasks(bed):
    await bed.set_channel(1, key="one\ntwo\nthree", setting='{"multi_key":"round_robin"}')
    used = {}
    for number in range(6):
        answer = await bed.imagine(str(number))
        used[answer["result"]] = bed.upstream.requests[-1][2]["mj-api-secret"]
    assert set(used.values()) == {"one", "two", "three"}
    await bed.look()
    polls = bed.upstream.sent("/list-by-condition")
    assert len(polls) == 3
    assert all(used[one] == headers["mj-api-secret"] for _, _, headers, body in polls for one in body["ids"])
    task_id = next(iter(used))
    bed.upstream.finish(task_id)
    await bed.look()
    await bed.http.post("/mj/submit/change", json={"taskId": task_id, "action": "REROLL"})
    assert bed.upstream.requests[-1][2]["mj-api-secret"] == used[task_id], "the picture lies on that account"


async def test_refunds_do_not_make_retention_believe_that_totals_are_missing(bed):
    task_id = (await bed.imagine())["result"]
    await bed.imagine("kept")
    bed.upstream.fail(task_id)
    await bed.look()
    [hour] = {row.hour for row in await bed.rows(UsageHourly)}
    day = hour // 86_400 * 86_400
    assert await _day_sums(bed.engine, bed.engine, day) == (100_000, 100_000)
    [refund] = await bed.rows(LedgerEntry, LedgerEntry.kind == "refund")
    assert refund.delta == 50_000


async def test_a_rate_limit_holds_for_videos_as_for_other_calls_under_v1(bed):
    await bed.set_options(
        ModelRequestRateLimitEnabled="true", ModelRequestRateLimitCount="1", ModelRequestRateLimitDurationMinutes="1"
    )
    body = {"model": "sora-2", "prompt": "x"}
    assert (await bed.http.post("/v1/videos", json=body)).status_code == 200
    limited = await bed.http.post("/v1/videos", json=body)
    assert (limited.status_code, limited.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(limited.headers["retry-after"]) > 0
    assert (await bed.imagine())["status"] == 200
    assert len(await bed.rows(AsyncTask)) == 2
