"""What holds for every test: a machine that is busy with other work fails none of them for being slow to think up examples, no file
waits for a disk, the time is that of the test's own beginning, and who may take long begins early."""

import os
import time

import pytest
from hypothesis import HealthCheck, settings

from tests.services import TEMPORARY, mariadb_server, postgres_server, valkey_server

__all__ = [
    "mariadb_server",
    "postgres_server",
    "valkey_server",
]  # each is started once in a process: import them nowhere else

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", TEMPORARY)  # pytest makes `tmp_path` there


def pytest_xdist_auto_num_workers() -> int:
    """Of `-n auto`: three on two cores, as tests with processes wait for clocks half of their time; with more of them what must
    happen within two seconds waits for a processor."""
    cores = len(os.sched_getaffinity(0))
    return cores + cores // 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the longest time-outs first, so that none of them is left running alone at the end."""
    items.sort(key=_timeout_s, reverse=True)


def _timeout_s(item: pytest.Item) -> float:
    """0: what holds for all."""
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark else 0.0


@pytest.fixture
def now() -> int:
    """Unix time, in seconds; a constant of a module is minutes old when its last test runs, and of yesterday after midnight."""
    return int(time.time())
