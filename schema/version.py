"""The version of this program, and the commit it was built from: of the image, or of the checkout it runs from."""

import functools
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    VERSION = version("medusaxd-api")
except PackageNotFoundError:
    VERSION = "0.1.0"

_ROOT = Path(__file__).parent.parent
_DIGITS = 12


@functools.cache
def find_commit() -> str:
    """The first digits of the commit; `unknown` in a copy without history. The image has it in the file COMMIT."""
    written = _ROOT / "COMMIT"
    if written.is_file():
        return written.read_text().strip()[:_DIGITS] or "unknown"
    if not (_ROOT / ".git").exists():  # asking git anyway might answer for a repository around ours
        return "unknown"
    command = ["git", "-C", str(_ROOT), "rev-parse", f"--short={_DIGITS}", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)  # noqa: S603  # no input of others
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
