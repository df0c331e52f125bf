"""Limits of the console: exact under a burst, sliding, pages counted and their files not."""

import asyncio

import pytest

from edge.console.envelope import Refusal
from edge.console.limits import admit


async def test_a_window_slides_and_is_exact_under_a_burst(console):
    redis = console.services.redis

    async def call() -> int:
        try:
            await admit(redis, "test", most=7, window_s=1)
        except Refusal as refusal:
            assert refusal.params["retry_after_s"] == 1
            return 429
        return 200

    assert sorted(await asyncio.gather(*(call() for _ in range(40)))) == [200] * 7 + [429] * 33
    await asyncio.sleep(1.05)
    assert await call() == 200


@pytest.mark.parametrize(("path", "counted"), [("/login", True), ("/console/logs", True), ("/assets/x.js", False)])
async def test_pages_are_counted_and_what_they_load_is_not(console, path, counted):
    async with console.visitor(peer="203.0.113.9") as http:
        codes = [(await http.get(path)).status_code for _ in range(62)]
        assert codes.count(429) == (2 if counted else 0)
    async with console.visitor(peer="203.0.113.10") as http:
        assert (await http.get(path)).status_code != 429


async def test_unknown_paths_of_the_api_count_too(console):
    async with console.visitor(peer="203.0.113.9") as http:
        assert (await http.get("/api/nothing/here")).status_code == 404
    assert await console.services.redis.zcard("mx:window:GA:203.0.113.9") == 1
