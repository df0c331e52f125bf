"""The document against a real gateway: whatever it allows to be sent, nothing breaks, and answers are what it says."""

import asyncio

from tests.edge.console.routes_walk import seed
from tests.system import open_system


async def test_the_document_holds_against_a_real_gateway(tmp_path):
    # Here, as every process that collects tests would wait two seconds for Schemathesis.
    from tests.edge.console.document_walk import broken_operations

    limits = {"GLOBAL_API_RATE_LIMIT_ENABLE": "false", "CRITICAL_RATE_LIMIT": "100000"}
    async with open_system(tmp_path, environ=limits) as system:
        await seed(system.engine)
        system.add_edge()
        await system.ready()
        broken = await asyncio.to_thread(broken_operations, system.address())
        assert system.edges[0].running
    assert not broken, "\n\n".join(
        [*broken, *(line[:3000] for line in system.edges[0].tail().splitlines() if "failed" in line)]
    )
