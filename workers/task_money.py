"""What the workers do with a task's money after the transaction: holds in Redis end, hot balances are loaded again."""

from schema.ledger import scripts
from schema.ledger.connection import evaluate
from schema.ledger.signals import balance_changed
from schema.options import Options
from schema.tasks.books import Acceptance, Books, accept_task, change_task
from schema.tasks.notes import end_hold, forget_note
from schema.tasks.platform import Reading
from schema.tasks.rows import Row
from schema.tasks.states import Change
from workers.context import Worker


def books_of(worker: Worker, options: Options) -> Books:
    return Books(worker.engine, worker.log_engine, log_consumed=options.log_consume_enabled)


async def settle_note(worker: Worker, books: Books, taken: Acceptance) -> bool:
    """Book an acceptance whose edge did not. False: the task was given up before."""
    booked = await accept_task(books, taken)
    await end_hold(worker.execute, worker.keys, taken.user_id, taken.task_key)
    await forget_note(worker.execute, taken.task_key)
    return booked


async def release_hold(worker: Worker, row: Row) -> None:
    """Give a hold in Redis back; without one nothing happens."""
    tag = worker.keys.tag(row["user_id"])
    names = (worker.keys.balance(row["user_id"]), f"{tag}c:{row['task_key']}")
    await evaluate(worker.execute, scripts.RELEASE, names, (row["task_key"], f"{tag}i:"))


async def move_task(
    worker: Worker, books: Books, row: Row, change: Change, reading: Reading | None, now_ms: int, **more: object
) -> bool:
    """One transition and what follows it."""
    if not await change_task(books, row, change, reading, now_ms, **more):
        return False
    if change.money == "refund":
        await balance_changed(worker.redis, row["user_id"], partitions=worker.keys.partitions)
    elif change.money == "release":
        await release_hold(worker, row)
    return True
