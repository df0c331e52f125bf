"""One worker process: settlers for the partitions that it has leases of, and arq for everything that is a job."""

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from typing import Any

import hiredis
import msgspec
import structlog
import uvloop
from arq.constants import default_queue_name
from dotenv import load_dotenv
from redis.exceptions import RedisError

from schema.cluster_pipe import Pipe, open_pipe, over_pipe
from schema.config import Config, ConfigError, read_config
from schema.database import Engine, make_engine
from schema.jobs import JobPlan
from schema.ledger.connection import over_redis_py
from schema.ledger.keys import JOBS_KNOWN, METRICS, PARTITIONS, Keys
from schema.ledger.server import find_eviction, forgets_all, refuse_eviction
from schema.log_lines import configure_logging
from schema.migrate import wait_for_database
from schema.redis_client import close_client, open_client, queue_of, servers_of
from schema.redis_pipe import RedisAway
from schema.secrets import Vault
from schema.tasks.wire import TaskWire
from schema.ticks import next_tick
from schema.version import VERSION
from workers.after import AfterBatch
from workers.batch import LogPolicy
from workers.context import OptionStore, Worker
from workers.jobs import find_jobs
from workers.jobs.clock import JobClock, is_frequent
from workers.jobs.job import TASKS, Job, renew_plans, to_cron, to_function
from workers.jobs.queue import QueueWorker
from workers.leases import ROUND_S, Leases
from workers.pulse import Pulse
from workers.redis_memory import RedisMemory
from workers.settle import Settler
from workers.settle_totals import SettleTotals
from workers.store import Content, Store, make_store
from workers.stream import UsageStreams
from workers.task_watch import TaskWatch
from workers.tracing import open_settle_tracing

log = structlog.get_logger(__name__)

STOP_S = 10.0  # a transaction at hand may take so long after SIGTERM
LAST_S = 2.0  # for the last words to Redis
WATCH_S, METRICS_S = 1.0, 5.0
REDIS_S_MAX = 10.0  # without an answer the connection counts as half-open; the longest blocking read takes 1 s
RETRY_S = 0.5
PATIENCE_S = 60.0  # how long databases may be late at start
JOBS_MAX = 20  # at once in one process
REFUSES = (RedisError, hiredis.ReplyError, OSError)  # away, or up and unwilling: read-only, out of memory
GC_THRESHOLDS = (50_000, 20, 50)  # a batch makes ten thousands of objects and hardly a cycle


class CannotStart(Exception):
    """Said in one sentence; the process ends with status 1."""


class Process:
    """Owns the settlers, the leases and the arq worker of this process."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self._stopping = asyncio.Event()
        self._pulse = Pulse()
        self._leases = Leases(worker.execute, worker.keys, worker.config.node_name or socket.gethostname())
        self._memory = RedisMemory(worker.engine, worker.redis, worker.execute, worker.keys)
        self._tracing = open_settle_tracing(worker.config)
        self._totals = SettleTotals(worker.execute)
        self._stores: list[Store] = []
        self._started_ms = int(time.time() * 1000)
        self._settlers = self._make_settlers()
        self._jobs = find_jobs()
        self._plans: dict[str, JobPlan] = {}

    def stop(self) -> None:
        self._stopping.set()
        for settler in self._settlers:
            settler.stop()

    def _make_settlers(self) -> list[Settler]:
        """One settler; with LOG_SQL_DSN a second one, whose own positions stand in the log database."""
        worker = self.worker
        streams = UsageStreams(worker.redis, worker.execute, worker.keys)

        def policy() -> LogPolicy:
            return LogPolicy(worker.options.current.log_consume_enabled, worker.config.error_log_enabled)

        def owned() -> set[int]:
            return self._leases.owned - streams.away()

        apart = worker.log_engine is not worker.engine
        logs: Settler | None = None
        if apart:
            store = make_store(worker.log_engine, Content(money=False, logs=True))
            self._stores.append(store)
            logs = Settler(streams, store, partitions=owned, policy=policy, trim=False)
        store = make_store(worker.engine, Content(money=True, logs=not apart))
        self._stores.append(store)
        after = AfterBatch(
            store, worker.redis, partitions=worker.keys.partitions,
            default_threshold=lambda: worker.options.current.quota_remind_threshold,
        )  # fmt: skip
        traced = self._tracing.settled if self._tracing is not None else None
        main = Settler(
            streams,
            store,
            partitions=owned,
            policy=policy,
            after=after,
            traced=traced,
            slower=logs,
            on_records=self._pulse.hear,
        )
        return [main] if logs is None else [main, logs]

    async def run(self) -> None:
        """Until `stop`; then the transactions at hand are finished, the leases given back, the jobs requeued."""
        await self.worker.options.refresh()
        background = [asyncio.create_task(work()) for work in (self._keep_leases, self._watch, self._remember)]
        queues = ["", TASKS] if self.worker.config.update_task else [""]
        background += [asyncio.create_task(self._run_jobs(queue)) for queue in queues]
        clock = JobClock(self.worker, [job for job in find_jobs() if self._begins(job)], running_max=JOBS_MAX)
        background.append(asyncio.create_task(clock.run()))
        settling = [asyncio.create_task(settler.run()) for settler in self._settlers]
        await self._stopping.wait()
        _, late = await asyncio.wait(settling, timeout=STOP_S)
        for task in [*late, *background]:
            task.cancel()
        await asyncio.gather(*late, *background, return_exceptions=True)
        try:
            async with asyncio.timeout(LAST_S):
                await self._memory.look(self._leases.owned, last=True)  # what is lost from now on happened after this
                await self._leases.release()
                await self._tell_totals()
        except Exception as error:
            log.warning("last_words_not_said", error=type(error).__name__)  # they run out by themselves
        for store in self._stores:
            await store.close()
        if self._tracing is not None:
            await self._tracing.close()
        log.info("stopped", records=self._settlers[0].progress.records)

    async def _keep_leases(self) -> None:
        while True:
            try:
                await self._leases.round()
            except REFUSES as error:
                log.warning("leases_not_kept", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)
                continue
            await next_tick(ROUND_S)

    async def _remember(self) -> None:
        """Whatever is away comes back; only the first failure in a row is worth a line."""
        failing = False
        while True:
            try:
                await self._memory.look(self._leases.owned)
                failing = False
            except Exception as error:  # Redis, SQL, or a driver's own
                if not failing:
                    log.warning("redis_memory_not_checked", error=f"{type(error).__name__}: {error}"[:200])
                failing = True
            if failing:
                await asyncio.sleep(RETRY_S)
            else:
                await self._pulse.wait(alone=len(self._leases.owned) == self.worker.keys.partitions)

    async def _watch(self) -> None:
        """Settings every WATCH_S, metrics every METRICS_S."""
        rounds = 0
        while True:
            await self.worker.options.refresh()
            if rounds % int(METRICS_S / WATCH_S) == 0:
                try:
                    await self._publish()
                except REFUSES as error:
                    log.warning("metrics_not_published", error=type(error).__name__)
            rounds += 1
            await next_tick(WATCH_S)

    async def _publish(self) -> None:
        progress = self._settlers[0].progress
        name = METRICS + self.worker.node
        figures: dict[str, str | int] = {
            "settle_lag_seconds": str(progress.lag_ms / 1000),
            "partitions": len(self._leases.owned),
            "started_ms": self._started_ms,
            "version": VERSION,
        }
        plans = self._plans = renew_plans(self._jobs, self._plans, int(time.time() * 1000))
        execute = self.worker.execute
        await asyncio.gather(
            self._tell_totals(),
            execute(b"HSET", name, *(part for pair in figures.items() for part in pair)),
            execute(b"EXPIRE", name, 60),
            execute(b"HSET", JOBS_KNOWN, *(part for job in plans for part in (job, msgspec.json.encode(plans[job])))),
        )

    async def _tell_totals(self) -> None:
        progress = self._settlers[0].progress
        await self._totals.tell(
            {
                "settle_records_total": progress.records,
                "settle_duplicates_total": progress.duplicates,
                "settle_batches_total": progress.batches,
                "settle_batch_seconds_total": round(progress.batch_s, 3),
                "settle_failures_total": progress.failures,
            }
        )

    def _keeps_schedule(self, queue: str) -> bool:
        """NODE_TYPE `slave` has none and still runs what is queued; asynchronous tasks know no master at all."""
        return self.worker.config.update_task if queue == TASKS else self.worker.config.is_master

    def _begins(self, job: Job) -> bool:
        return is_frequent(job) and self._keeps_schedule(job.queue)

    async def _run_jobs(self, queue: str) -> None:
        """Jobs of one queue, and the rarer ones of the schedule. arq ends when Redis is away: start it again."""
        jobs = [job for job in find_jobs() if job.queue == queue]
        functions = [to_function(job) for job in jobs]
        functions += [to_function(job, slot=True) for job in jobs if is_frequent(job)]
        crons = [cron for job in jobs if not is_frequent(job) and (cron := to_cron(job)) is not None]
        queue_server = queue_of(self.worker.redis)
        apart = self.worker.config.jobs_redis_url != ""
        look = over_redis_py(queue_server) if apart else self.worker.execute
        wire = TaskWire()
        while True:
            arq = QueueWorker(
                look,
                functions=functions,
                cron_jobs=crons if self._keeps_schedule(queue) else [],
                redis_pool=queue_server,
                handle_signals=False,
                max_jobs=JOBS_MAX,
                ctx={"worker": self.worker, "wire": wire},
                health_check_interval=60,
                queue_name=queue or default_queue_name,
            )
            try:
                await arq.async_run()
            except asyncio.CancelledError:
                for task in arq.tasks.values():
                    task.cancel()  # arq puts a cancelled job back into the queue
                await asyncio.gather(*arq.tasks.values(), return_exceptions=True)
                await wire.close()
                raise
            except REFUSES as error:
                log.warning("jobs_interrupted", error=type(error).__name__)
                await asyncio.sleep(RETRY_S)


async def check_partitions(redis: Any, partitions: int) -> None:
    """All processes must agree on the number of partitions: it is part of every key. Raises CannotStart."""
    await redis.set(PARTITIONS, partitions, nx=True)
    stored = int(await redis.get(PARTITIONS))
    if stored != partitions:
        raise CannotStart(
            f"LEDGER_PARTITIONS is {partitions}, but the keys in Redis were written with {stored}: set it to {stored}."
        )


async def check_memory(redis: Any, config: Config) -> None:
    """Raises CannotStart when the server may drop keys and the operator has not accepted that."""
    infos = [await server.info() for server in await servers_of(redis)]
    policy = next((found for info in infos if (found := find_eviction(info)) is not None), None)
    if policy is not None and not config.allow_eviction:
        raise CannotStart(refuse_eviction(policy))
    if any(map(forgets_all, infos)):
        log.warning("redis_keeps_nothing", means="holds and records that no worker has read are lost when it restarts")


async def run(config: Config) -> None:
    engine = _open(config, config.sql_dsn)
    log_engine = _open(config, config.log_sql_dsn) if config.log_sql_dsn else engine
    redis: Any = open_client(
        config.redis_url, config.jobs_redis_url,
        socket_connect_timeout=5, socket_timeout=REDIS_S_MAX, health_check_interval=30,
    )  # fmt: skip
    pipe: Pipe | None = None
    tasks: TaskWatch | None = None
    try:
        pipe = open_pipe(config.redis_url)
        await _wait_for(redis, pipe, engine, log_engine)
        await check_partitions(redis, config.partitions)
        await check_memory(redis, config)
        execute = over_pipe(pipe)
        vault = Vault(config.crypto_secret or config.session_secret, config.crypto_secret_old)
        worker = Worker(
            config=config, engine=engine, log_engine=log_engine, redis=redis, execute=execute,
            keys=Keys(config.partitions), options=OptionStore(engine, execute, vault),
            node=f"{config.node_name or socket.gethostname()}:worker:{os.getpid()}", tasks=(tasks := TaskWatch(engine)),
        )  # fmt: skip
        process = Process(worker)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, process.stop)
        log.info("started", node=worker.node, partitions=config.partitions, database=engine.dialect.name)
        gc.collect()
        gc.freeze()  # what start-up made stays; looking through it again and again cost a sixth of settling
        gc.set_threshold(*GC_THRESHOLDS)
        await process.run()
    finally:
        if tasks is not None:
            tasks.close()
        if pipe is not None:
            await pipe.close()
        await close_client(redis)
        await engine.dispose()
        if log_engine is not engine:
            await log_engine.dispose()


def _open(config: Config, dsn: str) -> Engine:
    return make_engine(
        dsn, sqlite_path=config.sqlite_file, pool_size=2, pool_max=max(4, config.sql_max_open_conns // 4),
        lifetime_s=config.sql_max_lifetime_s, debug=config.debug,
    )  # fmt: skip


async def _wait_for(redis: Any, pipe: Pipe, engine: Engine, log_engine: Engine) -> None:
    """Containers start in any order."""
    await wait_for_database(engine, patience_s=PATIENCE_S)
    if log_engine is not engine:
        await wait_for_database(log_engine, patience_s=PATIENCE_S)
    for _ in range(int(PATIENCE_S / RETRY_S)):
        try:
            await redis.ping()
            await queue_of(redis).ping()
            await pipe.connect()
            return
        except (*REFUSES, RedisAway) as error:
            reason = error
            await asyncio.sleep(RETRY_S)
    raise CannotStart(f"Redis does not answer at REDIS_CONN_STRING: {reason}")


def main() -> None:
    load_dotenv(".env", override=False)
    try:
        config = read_config(os.environ)
        if not config.redis_url:
            raise CannotStart("REDIS_CONN_STRING is not set; `medusa up` brings its own Valkey.")
        configure_logging(config, "worker")
        uvloop.run(run(config))
    except ConfigError as error:
        for problem in error.problems:
            print(f"medusa: {problem}", file=sys.stderr, flush=True)
        sys.exit(2)
    except CannotStart as error:
        print(f"medusa: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
