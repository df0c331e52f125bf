"""One API's own rule, where ENABLE_METRIC asks for it: a full window of results with too few successes switches a channel off."""

from collections import deque

from schema.config import Config

CHANNELS_MAX = 5_000


class Recent:
    """The last results of each channel in this process."""

    def __init__(self, size: int, share: float) -> None:
        """`size`: METRIC_QUEUE_SIZE; `share`: METRIC_SUCCESS_RATE_THRESHOLD."""
        self._size, self._share = size, share
        self._results: dict[int, deque[bool]] = {}

    def note(self, channel_id: int, *, good: bool) -> float | None:
        """The share of successes when it is too low; the window begins anew then. Else None."""
        results = self._results.get(channel_id)
        if results is None:
            if len(self._results) >= CHANNELS_MAX:
                return None
            results = self._results[channel_id] = deque(maxlen=self._size)
        results.append(good)
        if len(results) < self._size:
            return None
        share = sum(results) / self._size
        if share >= self._share:
            return None
        results.clear()
        return share


def read_recent(config: Config) -> Recent | None:
    """None: nobody asks for the rule."""
    return Recent(config.metric_queue_size, config.metric_success_rate_threshold) if config.enable_metric else None
