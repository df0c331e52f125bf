"""Which channel serves a call: priority tiers, weighted chance inside a tier, never one that was tried before.

Pure: the snapshot's index, the dice and the health facts are passed in. P(i) = (weight_i + 10) / sum(weight_j + 10) among
the eligible channels of a tier, as in the original. Source: relay rules, "choosing a channel".
"""

from bisect import bisect
from collections.abc import Callable, Collection, Iterable
from itertools import accumulate, groupby
from random import Random
from typing import Protocol

from msgspec import Struct

BASE_WEIGHT = 10  # added to every weight, so that weight 0 still gets a share
DRAWS_MAX = 4  # cheap draws before the eligible channels of a tier are listed


class Channel(Protocol):
    """What a choice needs to know of a channel."""

    @property
    def id(self) -> int: ...

    @property
    def priority(self) -> int: ...

    @property
    def weight(self) -> int: ...


class Tier(Struct, frozen=True):
    """The channels of one priority, and the running sums of their weights."""

    channels: tuple[Channel, ...]
    sums: tuple[int, ...]


Tiers = tuple[Tier, ...]  # highest priority first


def build_tiers(channels: Iterable[Channel]) -> Tiers:
    ordered = sorted(channels, key=lambda channel: (-channel.priority, channel.id))
    tiers = []
    for _, group in groupby(ordered, key=lambda channel: channel.priority):
        members = tuple(group)
        tiers.append(Tier(members, tuple(accumulate(max(0, c.weight) + BASE_WEIGHT for c in members))))
    return tuple(tiers)


def draw(tier: Tier, eligible: Callable[[Channel], bool], rng: Random) -> Channel | None:
    """A weighted draw among the eligible channels of a tier; None when there is none."""
    if len(tier.channels) == 1:
        only = tier.channels[0]
        return only if eligible(only) else None
    total = tier.sums[-1]
    for _ in range(DRAWS_MAX):  # drawing again until one is eligible keeps the proportions exact
        channel = tier.channels[bisect(tier.sums, rng.random() * total)]
        if eligible(channel):
            return channel
    left = [channel for channel in tier.channels if eligible(channel)]
    if not left:
        return None
    weights = [max(0, channel.weight) + BASE_WEIGHT for channel in left]
    return rng.choices(left, weights)[0]


def tier_order(count: int, attempt: int, policy: str) -> list[int]:
    """Tiers in the order to look at them. `attempt` counts from 0; policy: descend (the original's walk) or exhaust."""
    if policy == "exhaust":
        return list(range(count))
    first = min(attempt, count - 1)
    return [*range(first, count), *range(first - 1, -1, -1)]


def choose(
    tiers: Tiers,
    *,
    attempt: int,
    tried: Collection[int],
    fits: Callable[[Channel], bool],
    healthy: Callable[[Channel], bool],
    policy: str,
    rng: Random,
) -> Channel | None:
    """The channel for this attempt, or None when every fitting one was tried.

    Args:
        attempt: 0 for the first one.
        tried: ids of channels that failed in this call.
        fits: can the channel serve this mode at all.
        healthy: no open breaker, no cool-down; ignored when nothing else is left, so that a call is never refused
            only because of what earlier calls met.
    """
    if not tiers:
        return None
    order = tier_order(len(tiers), attempt, policy) if attempt else range(len(tiers))
    if not attempt and not tried:  # nearly every call: a healthy channel of the first tier
        channel = draw(tiers[0], lambda c: healthy(c) and fits(c), rng)
        if channel is not None:
            return channel

    def good(channel: Channel) -> bool:
        return channel.id not in tried and fits(channel) and healthy(channel)

    def last_resort(channel: Channel) -> bool:
        return channel.id not in tried and fits(channel)

    for eligible in (good, last_resort):
        for index in order:
            channel = draw(tiers[index], eligible, rng)
            if channel is not None:
                return channel
    return None
