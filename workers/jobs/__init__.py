"""The jobs that arq runs, one module each. A module has `JOBS`, a list of `Job`; it is named once, in MODULES."""

import importlib

from workers.jobs.job import Job

MODULES = (
    "reap",
    "reconcile",
    "retention",
    "usage_totals",
    "token_expiry",
    "orders",
    "channels",
    "channel_figures",
    "notify",
    "tasks",
)  # modules of this package


def find_jobs() -> list[Job]:
    """Every job of every module."""
    return [job for name in MODULES for job in importlib.import_module(f"workers.jobs.{name}").JOBS]
