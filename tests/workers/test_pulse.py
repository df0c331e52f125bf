"""Signs of life: four a second while records come, one while none do, and one as soon as the first record is there."""

import asyncio
import time

import pytest

from workers import pulse as pulse_module
from workers.pulse import Pulse
from workers.redis_memory import LOOK_S, QUIET_S


async def took_s(pulse: Pulse, *, alone: bool = True) -> float:
    started_s = time.monotonic()
    await pulse.wait(alone=alone)
    return time.monotonic() - started_s


async def test_the_first_record_after_a_quiet_time_ends_the_wait():
    pulse = Pulse()
    await pulse.wait(alone=True)
    waiting = asyncio.create_task(took_s(pulse))
    await asyncio.sleep(0.05)
    pulse.hear()
    assert await waiting < QUIET_S / 2
    assert await took_s(pulse) < 2 * LOOK_S  # more may come


async def test_records_of_a_busy_time_do_not_hurry_it():
    pulse = Pulse()
    pulse.hear()
    await pulse.wait(alone=True)
    waiting = asyncio.create_task(took_s(pulse))
    await asyncio.sleep(0)
    pulse.hear()
    assert await waiting > LOOK_S / 2


@pytest.mark.parametrize(("alone", "period_s"), [(True, QUIET_S), (False, LOOK_S)])
async def test_a_worker_that_does_not_hear_of_all_records_keeps_the_pace(alone: bool, period_s: float):
    pulse = Pulse()
    await pulse.wait(alone=alone)
    assert await took_s(pulse, alone=alone) == pytest.approx(period_s, abs=0.15)


async def test_after_the_last_record_it_becomes_quiet(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pulse_module, "BUSY_S", 0.1)
    pulse = Pulse()
    pulse.hear()
    await pulse.wait(alone=True)
    await pulse.wait(alone=True)
    assert await took_s(pulse) > 2 * LOOK_S
