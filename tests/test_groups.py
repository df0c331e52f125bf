"""Tests of one `xdist_group` run on one worker, so what they share (a system, a browser) is started once."""

import os
import re
import subprocess
import sys

GROUP = """
import pytest

@pytest.mark.xdist_group("{name}")
@pytest.mark.parametrize("number", range(4))
def test_{name}(number):
    pass
"""


def test_a_group_stays_on_one_worker(tmp_path):
    for name in ("red", "blue"):
        (tmp_path / f"test_{name}.py").write_text(GROUP.format(name=name))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-v", "-p", "xdist", "-n", "2", "--dist", "loadgroup", "."]
    alone = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # the other plugins take seconds to load
    run = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, timeout=120, check=False)
    ran = re.findall(r"^\[(gw\d)\].* PASSED test_(\w+)\.py", run.stdout, re.MULTILINE)
    assert len(ran) == 8, run.stdout + run.stderr
    assert sorted(worker for worker, _ in set(ran)) == ["gw0", "gw1"], ran  # each has one group, none of the other
