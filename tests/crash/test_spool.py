"""Redis goes away under real calls: clients get their answers or a clear 503, and every answer is charged once."""

import asyncio
from pathlib import Path

import pytest

from tests.system import BALANCE, PRICE, System, open_system, streamed, until


def spooled(system: System) -> int:
    return sum(path.stat().st_size for path in (system.folder / "spool").glob("*.spool"))


@pytest.mark.timeout(180)
async def test_calls_in_flight_are_answered_and_charged_once_when_valkey_dies(tmp_path: Path):
    gate = asyncio.Event()

    async def waiting(reader, writer, body):
        await gate.wait()
        await system.upstream.behaviours["plain"](reader, writer, body)

    async def waiting_stream(reader, writer, body):
        await gate.wait()
        await streamed(3, 0)(reader, writer, body)

    async with open_system(tmp_path, waiting=waiting, waiting_stream=waiting_stream) as system:
        await system.seed(users=3)
        system.add_edge()
        system.add_worker()
        await system.ready()
        async with system.client() as http:
            calls = [
                asyncio.create_task(http.post("/v1/chat/completions", json={"model": model, "stream": stream}))
                for model, stream in [("waiting", False), ("waiting_stream", True)] * 5
            ]

            async def all_upstream() -> bool:
                return sum(system.upstream.calls.values()) == 10

            await until(all_upstream, "the calls did not get through")
            system.valkey.kill()
            refused = await http.post("/v1/chat/completions", json={"model": "plain"})
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert refused.json()["error"]["code"] == "temporarily_unavailable"
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()["redis"]) == (503, False)
            gate.set()
            answers = await asyncio.gather(*calls)
            assert [answer.status_code for answer in answers] == [200] * 10
            assert all(answer.text.endswith("data: [DONE]\n\n") for answer in answers[1::2])
            assert spooled(system) > 0
            system.valkey.start()
            await system.valkey_ready()
            await system.ready()
            await system.check_books({answer.headers["x-request-id"] for answer in answers})

            async def emptied() -> bool:
                return spooled(system) == 0

            await until(emptied, "the spool is not emptied")
        assert await system.balance() == BALANCE - 10 * PRICE


@pytest.mark.timeout(180)
async def test_a_spool_of_a_dead_edge_is_emptied_by_the_next_one(tmp_path: Path):
    gate = asyncio.Event()

    async def waiting(reader, writer, body):
        await gate.wait()
        await system.upstream.behaviours["plain"](reader, writer, body)

    async with open_system(tmp_path, waiting=waiting) as system:
        await system.seed()
        edges = [system.add_edge(), system.add_edge()]
        system.add_worker()
        await system.ready(0)
        await system.ready(1)
        async with system.client(0) as one, system.client(1) as two:
            calls = [
                asyncio.create_task(http.post("/v1/chat/completions", json={"model": "waiting"})) for http in (one, two)
            ]

            async def both_upstream() -> bool:
                return system.upstream.calls.get("waiting") == 2

            await until(both_upstream, "the calls did not get through")
            system.valkey.kill()
            gate.set()
            answers = await asyncio.gather(*calls)
        for edge in edges:
            edge.kill()
        system.valkey.start()
        await system.valkey_ready()
        edges[0].start()  # one edge empties both files
        await system.check_books({answer.headers["x-request-id"] for answer in answers})

        async def emptied() -> bool:
            return spooled(system) == 0

        await until(emptied, "the spools are not emptied")


@pytest.mark.timeout(180)
async def test_a_bounded_number_of_calls_passes_without_redis_where_the_operator_wants_it(tmp_path: Path):
    gate = asyncio.Event()

    async def waiting(reader, writer, body):
        await gate.wait()
        await system.upstream.behaviours["plain"](reader, writer, body)

    async with open_system(tmp_path, environ={"ADMIT_WITHOUT_REDIS": "4"}, waiting=waiting) as system:
        await system.seed(users=2)
        system.add_edge()
        system.add_worker()
        await system.ready()
        async with system.client() as http:
            system.valkey.kill()
            calls = [
                asyncio.create_task(http.post("/v1/chat/completions", json={"model": "waiting"})) for _ in range(10)
            ]

            async def the_others_refused() -> bool:
                return sum(call.done() for call in calls) == 6

            await until(the_others_refused, "more or fewer than four passed")
            gate.set()
            answers = await asyncio.gather(*calls)
            assert sorted(answer.status_code for answer in answers) == [200] * 4 + [503] * 6
            again = await http.post("/v1/chat/completions", json={"model": "plain"})  # the places are free again
            assert again.status_code == 200
            system.valkey.start()
            await system.valkey_ready()
            answered = {answer.headers["x-request-id"] for answer in (*answers, again) if answer.status_code == 200}
            await system.check_books(answered)
        assert await system.balance() == BALANCE - 5 * PRICE


@pytest.mark.timeout(180)
async def test_records_that_a_killed_valkey_forgot_are_sent_again(tmp_path: Path):
    """The append-only file loses its end, as after a power cut: the edges know the last seconds."""
    async with open_system(tmp_path) as system:
        await system.seed()
        system.add_edge()
        await system.ready()
        async with system.client() as http:
            (file,) = (system.folder / "valkey" / "appendonlydir").glob("*.incr.aof")
            size = file.stat().st_size
            answers = [await http.post("/v1/chat/completions", json={"model": "plain"}) for _ in range(20)]
            assert {answer.status_code for answer in answers} == {200}
            system.valkey.kill()
            with file.open("rb+") as tail:
                tail.truncate(size)
            system.valkey.start()
            await system.valkey_ready()
            await system.ready()
        system.add_worker()
        await system.check_books({answer.headers["x-request-id"] for answer in answers})
        assert await system.balance() == BALANCE - 20 * PRICE
