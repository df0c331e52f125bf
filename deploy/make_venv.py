"""Makes `.venv` with pip in it, of the Python that suits best; says in one sentence what the machine lacks.

A Python that was compiled without profile-guided optimisation, as version managers do unless told otherwise, costs each call
a tenth more than the one of the distribution. Where `python3` is such a one and an optimised one is at hand, that is taken.
`make PYTHON=NAME` is taken as given. Runs on any Python 3, hence no new syntax.
"""

import importlib.util
import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
OTHERS = ("python3.14", "python3.13", "python3.12", "python3.11", "/usr/bin/python3")
_FACTS = """
import importlib.util, sys, sysconfig
print(sys.version_info[:2] >= {} and importlib.util.find_spec("ensurepip") is not None)
print("--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""))
print(sys.executable)
""".format(OLDEST)


def has_pip():
    if not os.path.exists(".venv/bin/python"):
        return False
    return (
        subprocess.run(
            [".venv/bin/python", "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ).returncode
        == 0
    )


def is_optimised(says_so, executable):
    """As its configuration says; distributions optimise theirs outside of it."""
    return says_so or os.path.dirname(executable) == "/usr/bin"


def find_better():
    """The path of an optimised Python where the one that runs this is not, else None."""
    for name in (sys.executable,) + OTHERS:
        path = shutil.which(name)
        if path is None:
            continue
        asked = subprocess.run([path, "-c", _FACTS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        lines = asked.stdout.decode().split("\n")
        if asked.returncode != 0 or lines[0] != "True":
            continue  # a version manager's name for a Python that is not there, too old, or unable to make environments
        if is_optimised(lines[1] == "True", lines[2]):
            return lines[2] if lines[2] != sys.executable else None
    return None


def main(as_given):
    if has_pip():
        return None
    better = None if as_given else find_better()
    if better is not None:
        print("medusa: {} is used, it runs calls faster than {} (make PYTHON=NAME picks one)".format(better, sys.executable))
        return subprocess.call([better, __file__, "--as-given"])
    if sys.version_info < OLDEST:
        return (
            "medusa: Python 3.11 or newer is needed, this is {}.{}; name another one: make PYTHON=python3.12 up".format(
                *sys.version_info[:2]
            )
        )
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
    sys.exit(main("--as-given" in sys.argv))
