"""Background jobs: what they are, how their last runs ended, when they run next; and a run now, which is written down."""

import time

import msgspec
from blacksheep import Request, Response
from msgspec import Struct

from edge.console.calls import reply
from edge.console.envelope import Refusal
from edge.console.journal import audit
from edge.console.routes import Actor, Role, Route
from edge.services import Services
from schema.jobs import JobPlan, JobRun
from schema.ledger.keys import JOBS, JOBS_KNOWN
from schema.redis_client import queue_of

_read_plan = msgspec.json.Decoder(JobPlan).decode
_read_run = msgspec.json.Decoder(JobRun).decode


class JobView(Struct):
    """Times in Unix s; 0: never, or no plan. `ok` None: has not run yet. `runs`, `failures`: since Redis keeps counting."""

    name: str
    schedule: str  # every 60 s, daily 03:30, or ''
    may_run_now: bool
    timeout_s: int
    next_at: int
    started_at: int
    seconds: float | None
    ok: bool | None
    error: str
    result: str
    node: str
    runs: int
    failures: int


async def list_jobs(services: Services, request: Request, actor: Actor) -> Response:
    """Every job that the workers know."""
    redis = services.redis
    plans = {name.decode(): _read_plan(data) for name, data in (await redis.hgetall(JOBS_KNOWN)).items()}
    runs = {name.decode(): _read_run(data) for name, data in (await redis.hgetall(JOBS)).items()}
    counts = {name.decode(): int(value) for name, value in (await redis.hgetall(f"{JOBS}:runs")).items()}
    return reply([_view(plans[name], runs.get(name), counts) for name in sorted(plans)])


def _view(plan: JobPlan, run: JobRun | None, counts: dict[str, int]) -> JobView:
    schedule = f"every {plan.every_s} s" if plan.every_s else f"daily {plan.daily}" if plan.daily else ""
    failures = counts.get(f"{plan.name}:failed", 0)
    return JobView(
        plan.name, schedule, plan.scheduled, plan.timeout_s, plan.next_ms // 1000,
        run.started_ms // 1000 if run else 0, run.seconds if run else None, run.ok if run else None,
        run.error if run else "", run.result if run else "", run.node if run else "",
        counts.get(f"{plan.name}:ok", 0) + failures, failures,
    )  # fmt: skip


async def run_now(services: Services, request: Request, actor: Actor) -> Response:
    """Queue one run of a scheduled job; a second request before it began changes nothing."""
    name = (request.route_values or {}).get("name") or ""
    held = await services.redis.hget(JOBS_KNOWN, name)
    if held is None:
        raise Refusal("not_found", "There is no such job.", status=404)
    plan = _read_plan(held)
    if not plan.scheduled:
        raise Refusal("job_needs_arguments", "This job is started by what it is about.")
    async with services.engine.begin() as db:
        await audit(db, actor, "job.run", "job", name)
    queue = queue_of(services.redis)
    queued = await queue.enqueue_job(name, _job_id=f"now:{name}:{int(time.time())}", _queue_name=plan.queue or None)
    return reply({"job_id": queued.job_id if queued is not None else ""})


ROUTES = (
    Route("GET", "/api/jobs", Role.ROOT, list[JobView], list_jobs),
    Route("POST", "/api/jobs/:name/run", Role.ROOT, dict[str, str], run_now),
)
