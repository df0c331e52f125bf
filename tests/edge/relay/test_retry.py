"""Retry: which failures go to another channel, which to the same one after a pause, and which end the call."""

import pytest

from edge.relay.retry import Failure, GiveUp, Retry, RetryPolicy, after_failure, map_status

POLICY = RetryPolicy(attempts_max=3, deadline_ms=10_000)


def decide(status, *, mapped=None, attempt=1, relayed_bytes=0, pinned=False, others_left=True, now_ms=0, **facts):
    failure = Failure(status, status if mapped is None else mapped, **facts)
    return after_failure(
        failure,
        attempt=attempt,
        relayed_bytes=relayed_bytes,
        pinned=pinned,
        others_left=others_left,
        now_ms=now_ms,
        policy=POLICY,
    )


@pytest.mark.parametrize("status", [0, 307, 401, 403, 404, 413, 422, 429, 500, 502, 503])
def test_another_channel_may_do_better(status):
    assert decide(status) == Retry()


@pytest.mark.parametrize("status", [400, 408, 504, 524])
def test_another_channel_would_not_help(status):
    assert decide(status) == GiveUp("another channel would not help")
    assert decide(status, dead_account=True) == Retry()  # some providers report a dead key as 400


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        pytest.param({"relayed_bytes": 7}, "the client has seen bytes", id="never splice two answers"),
        pytest.param({"attempt": 3}, "attempts used up", id="attempts are bounded"),
        pytest.param({"now_ms": 10_000}, "time used up", id="time is bounded"),
        pytest.param({"pinned": True}, "the key pins the channel", id="a pinned channel is the only one"),
        pytest.param(
            {"others_left": False, "retry_after_s": 30.0},
            "the only channel asks to wait",
            id="long waits are the client's",
        ),
    ],
)
def test_a_503_is_final_when(how, reason):
    assert decide(503, **how) == GiveUp(reason)


def test_the_only_channel_is_tried_again_after_a_pause():
    assert decide(502, others_left=False) == Retry(same_channel=True, delay_ms=200)
    assert decide(502, others_left=False, attempt=2) == Retry(same_channel=True, delay_ms=400)
    assert decide(429, others_left=False, retry_after_s=1.5) == Retry(same_channel=True, delay_ms=1500)


@pytest.mark.parametrize(
    ("mapping", "to"),
    [
        ({}, 429),
        ({"429": "503"}, 503),
        ({"4xx": "500"}, 500),
        ({"*": "502"}, 502),
        ({"429": "soon"}, 429),
        ({"429": "9"}, 429),
    ],
)
def test_status_mapping(mapping, to):
    assert map_status(429, mapping) == to
