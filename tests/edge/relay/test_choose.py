"""Channel choice: proportions inside a tier, the walk over tiers on retries, health as a wish and not a wall."""

from collections import Counter
from random import Random

import pytest
from msgspec import Struct

from edge.relay.choose import build_tiers, choose, tier_order


class Member(Struct, frozen=True):
    id: int
    priority: int = 0
    weight: int = 0


def pick(tiers, rng, *, attempt=0, tried=(), unhealthy=(), unfit=(), policy="descend"):
    channel = choose(
        tiers,
        attempt=attempt,
        tried=tried,
        fits=lambda c: c.id not in unfit,
        healthy=lambda c: c.id not in unhealthy,
        policy=policy,
        rng=rng,
    )
    return channel.id if channel else None


def test_weights_share_a_tier_in_proportion_and_the_highest_priority_goes_first():
    tiers = build_tiers([Member(1, 5, 0), Member(2, 5, 20), Member(3, 1, 1000)])
    rng = Random(7)
    seen = Counter(pick(tiers, rng) for _ in range(8000))
    assert set(seen) == {1, 2}
    assert seen[2] / 8000 == pytest.approx(30 / 40, abs=0.02)  # (20+10) of (0+10)+(20+10)


def test_a_tried_channel_is_never_drawn_again():
    tiers = build_tiers([Member(1), Member(2), Member(3)])
    assert all(pick(tiers, Random(seed), attempt=1, tried={1, 2}) == 3 for seed in range(50))
    assert pick(tiers, Random(1), attempt=3, tried={1, 2, 3}) is None


def test_an_unhealthy_tier_yields_to_the_next_and_serves_only_when_nothing_else_is_left():
    tiers = build_tiers([Member(1, 9), Member(2, 1)])
    assert pick(tiers, Random(1), unhealthy={1}) == 2
    assert pick(tiers, Random(1), unhealthy={1, 2}) == 1
    assert pick(tiers, Random(1), unfit={1, 2}) is None
    assert pick((), Random(1)) is None


@pytest.mark.parametrize(
    ("count", "attempt", "policy", "order"),
    [
        pytest.param(3, 0, "descend", [0, 1, 2], id="first attempt: from the top"),
        pytest.param(3, 1, "descend", [1, 2, 0], id="descend: one tier lower, then the rest"),
        pytest.param(3, 9, "descend", [2, 1, 0], id="descend: stays at the lowest"),
        pytest.param(3, 2, "exhaust", [0, 1, 2], id="exhaust: the top while it lasts"),
    ],
)
def test_tier_order(count, attempt, policy, order):
    assert tier_order(count, attempt, policy) == order
