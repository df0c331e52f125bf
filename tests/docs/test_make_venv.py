"""Which Python the virtual environment is made of: an optimised one before one that is not, and the one that was named before all."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "make_venv.py"


@pytest.fixture
def make_venv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_venv", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "OTHERS", ("python3.14", "python3.13"))  # none of this machine's
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return module


def interpreter(folder: Path, name: str, *, fits: bool = True, optimised: bool) -> str:
    """One that answers what it is asked about itself, and notes what else it is to do."""
    path = folder / name
    path.write_text(
        f'#!/bin/sh\nif [ "$1" = -c ]; then printf "%s\\n" {fits} {optimised} {path}; else echo "$@" > {folder}/ran; fi\n'
    )
    path.chmod(0o755)
    return str(path)


def test_an_optimised_one_is_preferred(
    make_venv: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = interpreter(tmp_path, "python3", optimised=False)
    interpreter(tmp_path, "python3.14", optimised=False)
    better = interpreter(tmp_path, "python3.13", optimised=True)
    monkeypatch.setattr(sys, "executable", plain)
    monkeypatch.chdir(tmp_path)
    assert make_venv.main(as_given=False) == 0
    assert (tmp_path / "ran").read_text().split() == [str(SCRIPT), "--as-given"]
    told = capsys.readouterr().out
    assert better in told and plain in told


def test_the_default_stays_where_none_is_better(
    make_venv: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", interpreter(tmp_path, "python3", optimised=False))
    interpreter(tmp_path, "python3.13", optimised=True, fits=False)  # cannot make environments
    (tmp_path / "python3.14").write_text("#!/bin/sh\nexit 127\n")  # a version manager's empty name
    (tmp_path / "python3.14").chmod(0o755)
    assert make_venv.find_better() is None


def test_an_optimised_default_is_not_compared(
    make_venv: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", interpreter(tmp_path, "python3", optimised=True))
    interpreter(tmp_path, "python3.14", optimised=True)
    assert make_venv.find_better() is None


def test_a_named_one_is_taken_as_it_is(tmp_path: Path) -> None:
    """`make PYTHON=NAME` says so to the script."""
    target = subprocess.run(
        ["make", "-n", "-B", ".venv/.ready", "PYTHON=python3.13"], cwd=SCRIPT.parents[1], capture_output=True, text=True
    )
    assert "python3.13 deploy/make_venv.py --as-given" in target.stdout
    default = subprocess.run(
        ["make", "-n", "-B", ".venv/.ready"], cwd=SCRIPT.parents[1], capture_output=True, text=True
    )
    assert "deploy/make_venv.py\n" in default.stdout.replace("make_venv.py \n", "make_venv.py\n")
