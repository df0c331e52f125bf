"""What a translated stream of 100 chunks costs the edge, in CPU of the process, beside one that is passed through."""

from pathlib import Path
from typing import Any

import pytest

from tests.edge.relay.matrix.test_soak import request_of, serving_process
from tests.system import System, open_system, streamed

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("matrix-cost")]  # one system for all
CALLS, ROUNDS = 40, 3
RATIO_MAX = 3.0


async def cost_s(system: System, client: str) -> float:
    """CPU seconds of CALLS streams, the least of some rounds: other work on the machine only adds."""
    edge = serving_process(system)
    path, body = request_of(client, "hundred", "hi")
    rounds: list[float] = []
    async with system.client() as http:
        for _ in range(ROUNDS):
            before: Any = edge.cpu_times()
            for _ in range(CALLS):
                answer = await http.post(path, json=body)
                assert answer.status_code == 200 and answer.content.count(b"hi ") >= 100
            after: Any = edge.cpu_times()
            rounds.append(after.user + after.system - before.user - before.system)
    return min(rounds)


async def test_translation_costs_no_more_than_three_times_a_pass_through(tmp_path: Path) -> None:
    async with open_system(tmp_path, hundred=streamed(100, 0.0)) as system:
        await system.seed()
        system.add_edge()
        await system.ready()
        await cost_s(system, "openai")  # everything is loaded once
        passed = await cost_s(system, "openai")
        costs = {client: await cost_s(system, client) for client in ("claude", "gemini", "responses", "cohere")}
    print(
        {
            client: f"{cost / CALLS * 1e6:.0f} us, x {cost / passed:.2f}"
            for client, cost in {"openai": passed, **costs}.items()
        }
    )
    assert all(cost <= passed * RATIO_MAX for cost in costs.values()), (passed, costs)
