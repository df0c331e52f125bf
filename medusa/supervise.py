"""`python -m medusa.supervise LOCK`: the program that `medusa up` becomes. LOCK: descriptor of the lock on the data folder."""

import os
import sys

from medusa.supervisor import VALKEY_PROGRAM, run
from schema.config import read_config


def main() -> None:
    os.set_inheritable(int(sys.argv[1]), False)  # no child keeps the lock when we are gone
    sys.exit(run(read_config(os.environ, checked=True), os.environ.pop(VALKEY_PROGRAM, "")))


if __name__ == "__main__":
    main()
