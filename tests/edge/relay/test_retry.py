"""Retry: which failures go to another channel, which to the same one after a pause, and which end the call."""

from types import SimpleNamespace

import pytest

from edge.relay.failures import read_retry_after
from edge.relay.live import LiveCall
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


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("", 0, id="nothing said"),
        pytest.param("7", 7, id="seconds"),
        pytest.param("1.5", 1.5, id="as some providers write them"),
        pytest.param("Fri, 11 Apr 2025 12:00:30 GMT", 30, id="a date"),
        pytest.param("Fri, 11 Apr 2025 11:00:00 GMT", 0, id="a date that has passed"),
        pytest.param("-3", 0, id="nonsense"),
        pytest.param("soon", 0, id="more nonsense"),
    ],
)
def test_retry_after(text, seconds):
    noon_s = 1_744_372_800.0
    assert read_retry_after(text, noon_s) == seconds


@pytest.mark.parametrize(
    ("stream", "took_s", "answering", "overdue"),
    [
        pytest.param(False, 6, True, True, id="a plain answer that goes on"),
        pytest.param(False, 4, True, False, id="in time"),
        pytest.param(False, 6, False, False, id="no first byte yet: other time-outs, and retries, look after that"),
        pytest.param(True, 6, True, False, id="streams have a limit of their own"),
        pytest.param(True, 61, True, True, id="which ends them as well"),
    ],
)
def test_the_time_out_of_a_whole_attempt(stream, took_s, answering, overdue):
    config = SimpleNamespace(relay_timeout_s=5, relay_stream_timeout_s=60)
    call = SimpleNamespace(relay=SimpleNamespace(config=config), stream=stream, body_ended=False, ended_by=None,
                           answer=object() if answering else None, begun=SimpleNamespace(started=100.0))  # fmt: skip
    assert LiveCall.is_overdue(call, 100.0 + took_s) is overdue
