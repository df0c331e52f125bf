"""What holds for every test: a machine that is busy with other work fails none of them for being slow to think up examples, no file
waits for a disk, and the time is that of the test's own beginning."""

import os
import time

import pytest
from hypothesis import HealthCheck, settings

from tests.services import TEMPORARY

settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", TEMPORARY)  # pytest makes `tmp_path` there


@pytest.fixture
def now() -> int:
    """Unix time, in seconds; a constant of a module is minutes old when its last test runs, and of yesterday after midnight."""
    return int(time.time())
