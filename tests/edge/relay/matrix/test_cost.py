"""What a translated stream of 100 chunks costs the edge, in CPU of the process, beside one that is passed through."""

from pathlib import Path

import psutil
import pytest

from tests.edge.relay.matrix.test_soak import request_of, serving_process
from tests.system import System, open_system, streamed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("matrix-cost")]  # one system for all
CLIENTS = ("openai", "claude", "gemini", "responses", "cohere")  # the first is passed through
CALLS = 10  # of one client before it is another's turn: whatever else the machine does then, it does to all of them
ROUNDS_MIN, ROUNDS_MAX = 6, 40
RATIO_MAX = 3.0


def cpu_s(process: psutil.Process) -> float:
    """Of all threads, as the scheduler counts it in nanoseconds; the ticks of `cpu_times` are 10 ms, a good part of a round."""
    threads = Path(f"/proc/{process.pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


async def cost_s(system: System, client: str) -> float:
    """CPU seconds of one stream, of CALLS in a row."""
    edge, (path, body) = serving_process(system), request_of(client, "hundred", "hi")
    async with system.client() as http:
        before = cpu_s(edge)
        for _ in range(CALLS):
            answer = await http.post(path, json=body)
            assert answer.status_code == 200 and answer.content.count(b"hi ") >= 100
        return (cpu_s(edge) - before) / CALLS


async def test_translation_costs_no_more_than_three_times_a_pass_through(tmp_path: Path) -> None:
    """By the least of some rounds, as other work on the machine only adds; where that is too much there are more rounds."""
    async with open_system(tmp_path, hundred=streamed(100, 0.0)) as system:
        await system.seed()
        system.add_edge()
        await system.ready()
        for client in CLIENTS:
            await cost_s(system, client)  # everything is loaded once
        costs = dict.fromkeys(CLIENTS, float("inf"))
        for number in range(ROUNDS_MAX):
            for client in CLIENTS:
                costs[client] = min(costs[client], await cost_s(system, client))
            ratios = {client: cost / costs[CLIENTS[0]] for client, cost in costs.items()}
            if number >= ROUNDS_MIN - 1 and max(ratios.values()) <= RATIO_MAX:
                break
    print({client: f"{cost * 1e6:.0f} us, x {ratios[client]:.2f}" for client, cost in costs.items()})
    assert all(cost > 0 for cost in costs.values())
    assert max(ratios.values()) <= RATIO_MAX, ratios
