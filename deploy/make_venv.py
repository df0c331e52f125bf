"""Makes `.venv` with pip in it; says in one sentence what the machine lacks. Runs on any Python 3, hence no new syntax."""

import importlib.util
import os
import shutil
import subprocess
import sys


def has_pip():
    if not os.path.exists(".venv/bin/python"):
        return False
    return (
        subprocess.run(
            [".venv/bin/python", "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ).returncode
        == 0
    )


def main():
    if sys.version_info < (3, 11):
        return (
            "medusa: Python 3.11 or newer is needed, this is {}.{}; name another one: make PYTHON=python3.12 up".format(
                *sys.version_info[:2]
            )
        )
    if has_pip():
        return None
    if importlib.util.find_spec("ensurepip") is not None:
        command = [sys.executable, "-m", "venv", ".venv"]
    elif shutil.which("uv"):
        command = ["uv", "venv", "--quiet", "--allow-existing", "--seed", "--python", sys.executable, ".venv"]
    else:
        return "medusa: this Python cannot make virtual environments; install its venv package (Debian, Ubuntu: apt install python3-venv)."
    if subprocess.call(command) != 0:
        return "medusa: the virtual environment .venv could not be made; the lines above say why."
    return None


if __name__ == "__main__":
    sys.exit(main())
