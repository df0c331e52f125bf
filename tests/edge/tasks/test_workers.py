"""Polling, deadlines and cut-off submits: whatever upstreams, channels and crashes do, each task ends and pays once or never."""

import asyncio

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import OperationalError

from edge.tasks import submit as submit_module
from edge.tasks.callbacks import proof_of
from schema.addresses import UrlRules
from schema.ledger.keys import METRICS
from schema.tables import AsyncTask, Channel, LedgerEntry, Log
from schema.tasks import notes
from schema.tasks.books import find_task
from tests.edge.tasks.conftest import open_bed
from workers.jobs.tasks import poll_channel, spread_polls
from workers.poll import PAUSED, ChannelPoller, channels_due, claim, now_ms
from workers.task_figures import publish_figures
from workers.task_hooks import tell_clients


async def test_many_workers_read_the_same_failure_and_one_refunds(served_bed):  # D-4, D-5; acceptance 1
    bed = served_bed
    ids = [(await bed.imagine(f"p{n}"))["result"] for n in range(6)]
    for one in ids:
        bed.upstream.fail(one)
    bed.upstream.latency_s = 0.05
    rows = [dict(row._mapping) for row in await bed.rows(AsyncTask)]

    class Twice(ChannelPoller):
        """A worker whose lease was lost: it has the same rows as the others."""

        async def run(self):
            from workers.task_money import books_of

            self._books = books_of(bed.worker, bed.worker.options.current)
            account = await self._read_account()
            await self._poll(account, rows)
            return self.looked

    looks = await asyncio.gather(*(Twice(bed.worker, bed.wire, 1).run() for _ in range(4)))
    assert sum(look.refunded for look in looks) == 6
    assert sorted(await bed.moves()) == sorted([("settle", -50_000), ("refund", 50_000)] * 6)
    await bed.check_books(spent=0)


async def test_all_databases_agree_on_a_whole_life(served_bed):
    bed = served_bed
    good, bad = (await bed.imagine("a"))["result"], (await bed.imagine("b"))["result"]
    bed.upstream.plan = [23]
    await bed.imagine("c")
    bed.upstream.finish(good)
    bed.upstream.fail(bad)
    await bed.look()
    assert [row.status for row in await bed.rows(AsyncTask)] == ["SUCCESS", "FAILURE", "FAILURE"]
    assert [row.billing_state for row in await bed.rows(AsyncTask)] == ["settled", "refunded", "released"]
    await bed.age(deadline_at=10**10)
    assert await bed.sweep() == {"booked": 0, "given_up": 0, "expired": 0, "logs": 0}
    await publish_figures(bed.worker)
    await bed.check_books(spent=50_000)


async def test_states_move_forward_only_and_foreign_ids_are_ignored(bed):
    one, two = (await bed.imagine("a"))["result"], (await bed.imagine("b"))["result"]
    bed.upstream.move(one, status="IN_PROGRESS", progress="60%")
    bed.upstream.extra = [{"id": "foreign", "status": "FAILURE"}, {"id": two, "status": "IN_PROGRESS"}, {"id": None}, 7]
    await bed.look()  # D-9: nothing of this stops the poller
    bed.upstream.move(one, status="SUBMITTED", progress="10%")
    await bed.look()
    row = await bed.task(AsyncTask.upstream_id == one)
    assert (row.status, row.progress) == ("SUBMITTED", "60%")
    bed.upstream.finish(one)
    await bed.look()
    bed.upstream.move(one, status="FAILURE", progress="0%", failReason="too late")
    await bed.make_due()
    async with bed.engine.begin() as db:
        await db.execute(update(AsyncTask).values(next_poll_at=1))
    await bed.look()
    assert (await bed.task(AsyncTask.upstream_id == one)).status == "SUCCESS"
    assert await bed.moves() == [("settle", -50_000)] * 2


async def test_a_task_that_is_forgotten_expires_with_its_money_and_may_come_late(bed):  # D-8
    task_id = (await bed.imagine())["result"]
    held = bed.upstream.tasks.pop(task_id)
    await bed.look()
    await bed.age(deadline_at=3_600_001)
    assert (await bed.sweep())["expired"] == 1 and (await bed.sweep())["expired"] == 0
    row = await bed.task()
    assert (row.status, row.billing_state) == ("EXPIRED", "refunded") and row.next_poll_at > 0
    assert (await bed.http.get(f"/mj/task/{task_id}/fetch")).json()["status"] == "FAILURE"
    bed.upstream.tasks[task_id] = held
    bed.upstream.finish(task_id)
    await bed.look()
    late = await bed.task()
    assert late.late_success and late.status == "EXPIRED" and late.image_url and late.next_poll_at == 0
    assert (await bed.look()).asked == 0
    assert await bed.moves() == [("settle", -50_000), ("refund", 50_000)]
    await bed.check_books(spent=0)


async def test_a_deleted_channel_gives_everything_back_once_and_a_disabled_one_goes_on(bed):  # D-10; acceptance 6
    task_id = (await bed.imagine())["result"]
    await bed.set_channel(1, status=2)
    bed.upstream.move(task_id, status="IN_PROGRESS", progress="5%")
    assert (await bed.look()).changed == 1
    async with bed.engine.begin() as db:
        await db.execute(delete(Channel).where(Channel.id == 1))
    await asyncio.gather(bed.look(), bed.look(), bed.look())
    row = await bed.task()
    assert (row.status, row.billing_state) == ("FAILURE", "refunded") and "deleted" in row.fail_reason
    assert await bed.moves() == [("settle", -50_000), ("refund", 50_000)]
    await bed.check_books(spent=0)


async def test_a_declined_task_that_later_fails_pays_nothing(bed):  # D-3; acceptance 5
    bed.upstream.plan = [(200, {"code": 23, "description": "full", "result": "x1"})]
    await bed.imagine()
    bed.upstream.tasks["x1"] = {"id": "x1", "status": "FAILURE", "progress": "100%", "failReason": "no"}
    await bed.look()
    await bed.sweep()
    assert await bed.moves() == []
    await bed.check_books(spent=0)


async def test_a_silent_channel_rests_and_the_others_go_on(bed):  # D-22
    await bed.imagine()
    song = (await bed.http.post("/suno/submit/music", json={"prompt": "x"})).json()["data"]
    bed.upstream.poll_status = 502
    assert (await bed.look()).failed
    assert await bed.worker.redis.pttl(f"{PAUSED}1") > 3_000
    await bed.make_due()
    assert await channels_due(bed.worker, await now_ms(bed.worker)) == [2]
    bed.upstream.poll_status = 200
    bed.upstream.finish(song)
    jobs = []

    class Queue:
        def __getattr__(self, name):
            return getattr(bed.worker.redis, name)

        async def enqueue_job(self, *job, **more):
            jobs.append((job, more["_job_id"], more["_queue_name"]))

    from msgspec.structs import replace

    assert await spread_polls({"worker": replace(bed.worker, redis=Queue())}) == 1
    assert jobs == [(("poll_channel", 2), "tasks:poll:2", "mx:arq:tasks")]
    assert await poll_channel({"worker": bed.worker, "wire": bed.wire}, 2) == 1
    bed.upstream.poll_status = 200
    await bed.worker.redis.delete(f"{PAUSED}1")
    assert not (await bed.look()).failed


async def test_stuck_tasks_do_not_delay_new_ones(bed):  # acceptance 9
    await bed.imagine()
    first = dict((await bed.task())._mapping)
    blank = {name: value for name, value in first.items() if name != "id"}
    stuck = [
        {**blank, "task_key": f"s{n}", "upstream_id": f"s{n}", "poll_count": 50, "next_poll_at": 1, "legacy_id": 0}
        for n in range(10_000)
    ]
    async with bed.engine.begin() as db:
        await db.execute(insert(AsyncTask), stuck)
    new = (await bed.imagine("new"))["result"]
    await bed.make_due()
    claimed = await claim(bed.worker, 1, await now_ms(bed.worker))
    assert new in {row["upstream_id"] for row in claimed} and len(claimed) == 50
    assert sum(row["poll_count"] == 50 for row in claimed) >= 10, "and the stuck ones get their turn"
    again = await claim(bed.worker, 1, await now_ms(bed.worker))
    assert not {row["id"] for row in claimed} & {row["id"] for row in again}, "leased ones belong to one worker"


async def _cut(bed, monkeypatch, where: str) -> None:
    """A submit whose edge dies at this line: nothing after it runs, not even clean-up."""

    class Died(BaseException):
        pass

    async def die(*_: object, **__: object) -> None:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(submit_module, "_release", lambda *_: asyncio.sleep(0))
        patched.setattr(submit_module, where, die)
        with pytest.raises(Died):
            await bed.imagine()


@pytest.mark.parametrize(
    ("where", "charged"),
    [
        pytest.param("open_task", False, id="held in Redis, no row yet"),
        pytest.param("attempt_submit", False, id="row stored, nothing sent"),
        pytest.param("write_note", False, id="accepted, but nothing of it reached Redis or SQL"),
        pytest.param("accept_task", True, id="accepted and noted, not booked"),
        pytest.param("end_hold", True, id="booked, the hold still stands"),
        pytest.param("forget_note", True, id="booked, the note still lies there"),
    ],
)
async def test_an_edge_dies_at_every_line(bed, monkeypatch, where, charged):  # acceptance 2
    await _cut(bed, monkeypatch, where)
    await bed.age(submit_at=121_000)
    monkeypatch.setattr("workers.task_sweep.NOTE_AGE_MS", -1_000)
    await bed.sweep()
    from workers.reap import reap

    async with bed.engine.begin() as db:
        assert db is not None
    await bed.worker.redis.hset("mx:{1}:b:1", mapping=await _overdue(bed))
    await reap(bed.worker.execute, bed.worker.keys)
    await bed.sweep()
    await bed.check_books(spent=50_000 if charged else 0)
    assert await notes.read_notes(bed.worker.execute) == []
    rows = await bed.rows(AsyncTask)
    assert [row.billing_state for row in rows] == (
        [] if where == "open_task" else ["settled" if charged else "released"]
    )
    if charged:  # it is tracked: it can be fetched, and fails with its money back
        bed.upstream.fail(rows[0].upstream_id)
        await bed.look()
        await bed.check_books(spent=0)


async def _overdue(bed) -> dict[str, str]:
    """The open holds with a deadline in the past, as they will be once it comes."""
    held = await bed.worker.redis.hgetall("mx:{1}:b:1")
    found = {"none": ""}
    for name, value in held.items():
        if name.startswith(b"h"):
            amount, token, _, rest = value.decode().split(" ", 3)
            found[name.decode()] = f"{amount} {token} 1 {rest}"
    return found


async def test_a_call_back_tells_the_id_of_a_cut_off_submit_and_the_upstream_is_asked(bed, monkeypatch):
    await bed.set_options(MjNotifyEnabled="true")
    await _cut(bed, monkeypatch, "write_note")
    row = await bed.task()
    [real] = bed.upstream.tasks
    path = f"/mj/notify/{row.task_key}/{proof_of(bed.edge.config, row.task_key)}"
    assert (await bed.http.post(path, json={"id": real, "status": "SUCCESS"})).status_code == 200
    assert (await bed.task()).billing_state == "held", "a call-back alone moves nothing"
    await bed.age(submit_at=121_000)
    assert (await bed.sweep())["given_up"] == 0
    await bed.look()
    assert (await bed.task()).billing_state == "settled"
    bed.upstream.finish(real)
    await bed.look()
    assert (await bed.task()).status == "SUCCESS"
    await bed.check_books(spent=50_000)


async def test_an_upstream_denies_the_id_that_a_call_back_told(bed, monkeypatch):
    await _cut(bed, monkeypatch, "write_note")
    row = await bed.task()
    path = f"/mj/notify/{row.task_key}/{proof_of(bed.edge.config, row.task_key)}"
    await bed.http.post(path, json={"id": "invented"})
    await bed.age(submit_at=121_000)
    await bed.look()
    assert (await bed.task()).billing_state == "held"
    await bed.age(submit_at=121_000)
    assert (await bed.sweep())["given_up"] == 1
    assert (await bed.task()).billing_state == "released"
    await bed.check_books(spent=0)


@pytest.mark.parametrize("error", [OperationalError("x", {}, Exception("away")), ConnectionRefusedError()])
async def test_sql_goes_away_between_acceptance_and_booking(bed, monkeypatch, error):
    async def away(*_: object, **__: object) -> bool:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(submit_module, "accept_task", away)
        answer = await bed.imagine()
    assert answer["status"] == 200, "the note is as safe as any settled call"
    assert await bed.moves() == []
    monkeypatch.setattr("workers.task_sweep.NOTE_AGE_MS", -1_000)
    assert (await bed.sweep())["booked"] == 1
    row = await find_task(bed.engine, AsyncTask.upstream_id == answer["result"])
    assert row is not None and row["billing_state"] == "settled"
    await bed.check_books(spent=50_000)


async def test_a_submit_that_was_given_up_is_not_charged_by_a_late_answer(bed, monkeypatch):
    real = submit_module.write_note

    async def slow(execute, note):
        await bed.age(submit_at=121_000)
        await bed.sweep()  # two minutes pass
        await real(execute, note)

    monkeypatch.setattr(submit_module, "write_note", slow)
    answer = await bed.imagine()
    assert answer["status"] == 500
    assert await bed.moves() == []
    await bed.check_books(spent=0)


async def test_logs_in_a_database_of_their_own_arrive_once(tmp_path, valkey_server, postgres_server):
    from tests.services import new_postgres

    dsn = new_postgres(postgres_server, "logsapart")
    async with open_bed(tmp_path, valkey_server, LOG_SQL_DSN=dsn) as bed:
        task_id = (await bed.imagine())["result"]
        bed.upstream.fail(task_id)
        await bed.look()
        for _ in range(2):
            async with bed.engine.begin() as db:
                waiting = f'[{{"type":2,"request_id":"{(await bed.task()).task_key}"}}]'
                await db.execute(update(AsyncTask).values(outbox=waiting, outbox_due_at=1))
            await bed.sweep()
        from sqlalchemy import select

        async with bed.worker.log_engine.connect() as db:
            rows = (await db.execute(select(Log.type, Log.quota).where(Log.type != 3).order_by(Log.id))).all()
        assert [tuple(row) for row in rows] == [(2, 50_000), (4, 50_000)]
        assert (await bed.task()).outbox_due_at == 0


async def test_clients_are_told_at_the_end_by_us(bed):
    told = []

    async def receive(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        told.append(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 %d X\r\ncontent-length: 0\r\n\r\n" % (500 if len(told) == 1 else 200))
        await writer.drain()
        writer.close()

    await bed.set_options(MjNotifyEnabled="true")
    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    task_id = (await bed.imagine(notifyHook=f"http://127.0.0.1:{port}/hook"))["result"]
    bed.upstream.finish(task_id)
    await bed.look()
    rules = UrlRules(http=True, ports=frozenset({port}), private=True)
    assert await tell_clients(bed.worker, rules=rules) == 0  # it answered 500
    row = await bed.task()
    assert row.notify_tries == 1 and row.notify_due_at > await now_ms(bed.worker)
    async with bed.engine.begin() as db:
        await db.execute(update(AsyncTask).values(notify_due_at=1))
    counts = await asyncio.gather(*(tell_clients(bed.worker, rules=rules) for _ in range(3)))
    assert sum(counts) == 1 and len(told) == 2
    assert b'"status":"SUCCESS"' in told[1] and bed.upstream.address.encode() not in told[1]
    async with bed.engine.begin() as db:  # by default private addresses are refused at once and for good
        await db.execute(update(AsyncTask).values(notify_due_at=1, notify_tries=0))
    assert await tell_clients(bed.worker) == 0
    assert (await bed.task()).notify_due_at == 0 and len(told) == 2
    server.close()


async def test_a_refund_reaches_a_user_whose_token_is_gone(bed):
    async with bed.client(3) as http:
        task_id = (await http.post("/mj/submit/imagine", json={"prompt": "x"})).json()["result"]
    from schema.tables import Token

    async with bed.engine.begin() as db:
        await db.execute(delete(Token).where(Token.id == 3))
    bed.upstream.fail(task_id)
    await bed.look()
    [refund] = await bed.rows(LedgerEntry, LedgerEntry.kind == "refund")
    assert (refund.delta, refund.token_delta) == (50_000, 0)
    assert (await bed.user()).quota == 1_000_000


async def test_open_tasks_of_a_predecessor_are_taken_over_once_and_paid_back(bed):
    from sqlalchemy import select

    from schema.tables import Meta, Midjourney, Task
    from workers.task_adoption import adopt_open_tasks

    drawing = {"user_id": 1, "channel_id": 1, "status": "", "progress": "0%", "submit_time": 1000, "quota": 50_000}
    async with bed.engine.begin() as db:
        await db.execute(update(Meta).where(Meta.key == "origin").values(value="new-api"))
        await db.execute(
            insert(Midjourney),
            [{**drawing, "mj_id": "a1", "code": 1, "action": "IMAGINE"}, {**drawing, "mj_id": "a2", "code": 23, "action": "IMAGINE"},
             {**drawing, "mj_id": "", "code": 4, "action": "IMAGINE"}, {**drawing, "mj_id": "a3", "code": 1, "action": "UPSCALE"},
             {**drawing, "mj_id": "done", "code": 1, "action": "IMAGINE", "progress": "100%"}],
        )  # fmt: skip
        await db.execute(
            insert(Task).values(user_id=2, channel_id=2, platform="suno", task_id="b1", action="MUSIC", status="SUBMITTED",
                                progress="0%", quota=50_000, submit_time=1)
        )  # fmt: skip
    assert sum(await asyncio.gather(adopt_open_tasks(bed.worker), adopt_open_tasks(bed.worker))) == 5
    assert await adopt_open_tasks(bed.worker) == 0
    for one, status in (("a1", "FAILURE"), ("a2", "FAILURE"), ("a3", "SUCCESS"), ("b1", "FAILURE")):
        bed.upstream.tasks[one] = {
            "id": one,
            "status": status,
            "progress": "100%",
            "failReason": "no" if status != "SUCCESS" else "",
        }
    await bed.look()
    await bed.look(channel=2)
    assert sorted(await bed.moves()) == [("refund", 50_000), ("refund", 50_000)]
    assert [(await bed.user(n)).quota for n in (1, 2)] == [1_050_000, 1_050_000]
    async with bed.engine.connect() as db:
        rows = (
            await db.execute(select(Midjourney.mj_id, Midjourney.status, Midjourney.progress).order_by(Midjourney.id))
        ).all()
    assert [tuple(row) for row in rows][:4] == [
        ("a1", "FAILURE", "100%"), ("a2", "FAILURE", "100%"), ("", "FAILURE", "100%"), ("a3", "SUCCESS", "100%"),
    ]  # fmt: skip


async def test_figures_of_tasks_are_exposed(bed):
    task_id = (await bed.imagine())["result"]
    await bed.imagine("second")
    bed.upstream.fail(task_id)
    await bed.look()
    await publish_figures(bed.worker)
    text = (await bed.edge.exposition.text([1])).decode()
    assert 'medusa_tasks_open{platform="mj",status="SUBMITTED"} 1.0' in text
    assert 'medusa_task_returns_total{kind="refund"} 1.0' in text
    assert 'medusa_task_returned_quota_total{kind="refund"} 50000.0' in text
    assert 'medusa_quota_charged_total{kind="task"} 100000.0' in text
    await bed.worker.redis.delete(METRICS + "tasks")  # as it expires where no worker is left
    text = (await bed.edge.exposition.text([1])).decode()
    assert "medusa_tasks_open{" not in text
    assert 'medusa_task_returns_total{kind="refund"} 1.0' in text, "a counter does not fall"


async def test_a_balance_that_falls_below_the_threshold_is_told(bed):
    await bed.set_options(QuotaRemindThreshold="980000")
    await bed.imagine()
    queued = [name async for name in bed.worker.redis.scan_iter("arq:job:notify:quota_exceed:1:*")]
    assert len(queued) == 1
    await bed.imagine("below already")
    assert len([name async for name in bed.worker.redis.scan_iter("arq:job:notify:quota_exceed:1:*")]) == 1
