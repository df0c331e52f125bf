"""When probes are due, and what a run over all channels does with each kind of result."""

import pytest

from schema.options import read_options
from schema.upstreams.account import key_name, split_keys
from schema.upstreams.runs import in_scope
from schema.upstreams.tested import _reason_to_disable
from schema.upstreams.trial import Result, kind_of
from workers.jobs.channels import probe_is_due


@pytest.mark.parametrize(
    ("off_min", "since_probe_min", "due"),
    [
        pytest.param(0.5, 0.5, False, id="too early"),
        pytest.param(1.2, 1.2, True, id="first probe after a minute"),
        pytest.param(1.8, 0.7, False, id="once for each mark"),
        pytest.param(2.1, 1.0, True, id="second after two"),
        pytest.param(45, 14, False, id="probed after the mark of 30 min"),
        pytest.param(61, 20, False, id="hourly from then on: not yet"),
        pytest.param(200, 60, True, id="hourly from then on"),
    ],
)
def test_probe_is_due(off_min, since_probe_min, due):
    assert probe_is_due(off_min * 60, since_probe_min * 60) is due


class Account:
    def __init__(self, status=1):
        self.status, self.type, self.auto_ban = status, 1, True


@pytest.mark.parametrize(
    ("result", "actor"),
    [
        pytest.param({"ok": False, "status": 401, "message": "no"}, "rule:3", id="dead key"),
        pytest.param({"ok": False, "status": 500, "message": "no"}, None, id="their fault, alive"),
        pytest.param({"ok": True, "ms": 9000}, "rule:slow", id="slower than the threshold"),
        pytest.param({"ok": True, "ms": 4000}, None, id="fast enough"),
    ],
)
def test_reason_to_disable(result, actor):
    options = read_options({"ChannelDisableThreshold": "5"})
    found = _reason_to_disable(Account(), Result(**{"model": "m", "ms": 1, **result}), options)
    assert (found.actor if found else None) == actor


def test_scope_and_kinds():
    assert not in_scope(Account(2), None, "all", by_hand_too=False), "scheduled runs leave out what people switched off"
    assert in_scope(Account(2), None, "all", by_hand_too=True)
    assert in_scope(Account(1), "x", "tag:x", by_hand_too=False) and not in_scope(
        Account(1), "y", "tag:x", by_hand_too=False
    )
    kinds = {
        "bge-m3": "embedding",
        "jina-reranker-v2": "rerank",
        "tts-1": "speech",
        "dall-e-3": "image",
        "gpt-4o": "chat",
    }
    assert {name: kind_of(name, "openai") for name in kinds} == kinds


def test_keys_are_split_only_where_the_channel_says_so():
    assert split_keys("a\nb", "", {}) == ("a\nb",)
    assert split_keys("a\n\nb\na", "random", {}) == ("a", "b")
    assert split_keys("a\nb", "round_robin", {key_name("a"): {}}) == ("b",)
