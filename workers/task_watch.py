"""Is there any asynchronous task to look after? One question at little cost, asked before those that find and move them."""

import asyncio
import sqlite3

from sqlalchemy import text

from schema.database import BUSY_TIMEOUT_MS, Engine, read_within
from schema.tasks.states import EXPIRED, OPEN
from workers.context import Worker

READ_S_MAX = 20.0
_STATUSES = ", ".join(f"'{status}'" for status in sorted(OPEN))
_TASKS = "SELECT 1 FROM mx_async_tasks WHERE"
_WAITING = (
    f"status IN ({_STATUSES})",
    f"status = '{EXPIRED}' AND next_poll_at > 0",
    "notify_due_at > 0",
    "outbox_due_at > 0",
)
_ANY = "SELECT " + " OR ".join(f"EXISTS ({_TASKS} {where})" for where in _WAITING)  # an index serves each


class TaskWatch:
    """One per process. Most installations have no task at all, and their workers ask for some every second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._asking = asyncio.Lock()
        self._db: sqlite3.Connection | None = None

    async def any(self) -> bool:
        """Some task is open, or its client is still to be told. Raises what the database raises."""
        if self._engine.dialect.name == "sqlite":
            async with self._asking:
                return await asyncio.to_thread(self._ask)
        async with read_within(self._engine, READ_S_MAX) as db:
            return bool((await db.execute(text(_ANY))).scalar_one())

    def _ask(self) -> bool:
        """On a connection of its own: through the engine's the question costs ten times as much."""
        if self._db is None:
            self._db = sqlite3.connect(
                str(self._engine.url.database), timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None,
                check_same_thread=False,
            )  # fmt: skip
        return bool(self._db.execute(_ANY).fetchone()[0])

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


async def any_task(worker: Worker) -> bool:
    return worker.tasks is None or await worker.tasks.any()
