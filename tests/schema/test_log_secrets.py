"""No log line holds a secret, whether the process has configured its log or not."""

import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from schema.log_secrets import mask

ROOT = Path(__file__).parents[2]
SECRET = "hunter2-and-more"  # nothing about it looks like a secret


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key sk-abcdef123456 refused", "key sk-*** refused"),
        ("Authorization: Bearer eyJhbGciOi.x-y", "Authorization: Bearer ***"),
        ("redis://user:hunter2@host:6379/0", "redis://user:***@host:6379/0"),
        ("postgres://:hunter2@host/db", "postgres://:***@host/db"),
        ("GET /v1beta/models?key=AIzaSy123&alt=sse", "GET /v1beta/models?key=***&alt=sse"),
        ("a task about risk-taking in https://host:8080/path", "a task about risk-taking in https://host:8080/path"),
        ({"deep": ["sk-abcdef123456", 7]}, {"deep": ["sk-***", 7]}),
    ],
)
def test_secrets_are_blanked(text, shown):
    assert mask(text) == shown


CONFIGURE = "from schema.config import read_config; from schema.log_lines import configure_logging; configure_logging(read_config({}), 'x')"


@pytest.mark.parametrize(
    "first",
    [
        pytest.param("import schema", id="schema"),
        pytest.param("import edge.upstream", id="edge"),
        pytest.param("import workers.settle", id="workers"),
        pytest.param("import medusa.child", id="medusa"),
        pytest.param(CONFIGURE, id="a configured process"),
    ],
)
def test_a_traceback_shows_no_variable(first):
    """structlog's own lines for people print the locals of every frame."""
    code = f"""
import structlog
log = structlog.get_logger("made before")
{first}
def sign_in(password):
    raise ValueError("Bearer abcdefghijkl")
for way in (log.exception, structlog.get_logger().exception):
    try:
        sign_in("".join({list(SECRET)!r}))
    except ValueError:
        way("crashed", reason="sk-abcdef123456")
"""
    environ = {"COLUMNS": "200", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True)
    said = done.stdout + done.stderr
    assert said.count("crashed") == 2 and said.count("Traceback") == 2 and said.count("in sign_in") == 2
    for hidden in (SECRET, "abcdefghijkl", "abcdef123456"):
        assert hidden not in said


def test_this_very_process_shows_none(capsys):
    def sign_in(password):
        raise ValueError(len(password))

    try:
        sign_in("".join(SECRET))
    except ValueError:
        structlog.get_logger().exception("crashed")
    said = capsys.readouterr().out
    assert "in sign_in" in said and SECRET not in said
