"""What the document allows, tried out on a running gateway: nothing breaks, and answers are what it says."""

import logging
import random
import time

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.edge.console.routes_walk import ROOT, access

BUDGET_S = 40.0
EXAMPLES = 7  # of one operation
# These end what the run stands on, or never end: they have tests of their own.
LEFT_OUT = (
    "/api/user/token",
    "/api/health/stream",
    "/api/user/logout",
    "/api/user/self/sessions",
    "/api/option/",
    "/api/option/batch",
)
FAILING_WELL = {("POST", "/api/channel/fetch_models")}  # 500 when the upstream fails, as clients know it


def broken_operations(address: str) -> list[str]:
    """What was wrong with each operation."""
    logging.getLogger("hypothesis").setLevel(logging.ERROR)
    schema = schemathesis.openapi.from_dict(requests.get(f"{address}/openapi.json", timeout=10).json())
    schema.config.update(base_url=address)
    session = requests.Session()
    session.trust_env = False
    session.headers.update({"Authorization": f"Bearer {access(ROOT)}"})
    until, broken, done = time.monotonic() + BUDGET_S, [], 0
    operations = [result.ok() for result in schema.get_all_operations()]
    random.Random(1).shuffle(operations)
    for operation in operations:
        if operation.path in LEFT_OUT or time.monotonic() > until:
            continue
        done += 1
        try:
            _run_one(operation, session)
        except BaseException as error:  # a group of failures: all are told at the end
            broken.append(f"{operation.method.upper()} {operation.path}: {_told(error)}")
    assert done > 40, f"only {done} operations within {BUDGET_S} s"
    return broken


def _run_one(operation, session):
    well = (operation.method.upper(), operation.path) in FAILING_WELL
    checks = [content_type_conformance, response_schema_conformance] + ([] if well else [not_a_server_error])

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    def try_out(case):
        response = case.call(session=session)
        case.validate_response(response, checks=checks)

    try_out()


def _told(error: BaseException) -> str:
    inner = getattr(error, "exceptions", None)
    return " | ".join(map(_told, inner)) if inner else str(error)[:800]
