"""What workers tell of their jobs, for whoever looks at them: plans, and how the last run ended."""

from msgspec import Struct


class JobPlan(Struct, frozen=True):
    """`every_s` 0 and `daily` '': runs when it is asked for. Times in Unix ms; `next_ms` 0: no plan."""

    name: str
    every_s: int = 0
    daily: str = ""  # 03:30, the workers' time
    timeout_s: int = 0
    max_tries: int = 1
    next_ms: int = 0
    queue: str = ""

    @property
    def scheduled(self) -> bool:
        """Needs no arguments, so anybody may ask for a run."""
        return bool(self.every_s or self.daily)


class JobRun(Struct, frozen=True):
    """The last run that ended."""

    started_ms: int
    seconds: float
    ok: bool
    error: str = ""
    node: str = ""
    every_s: int = 0
    result: str = ""
