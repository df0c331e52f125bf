"""Which channel serves a call, given what is known of all channels' health. Lists of eligible channels are kept until it changes.

Inside a tier: by weight alone; or the faster of two drawn so (option ChannelChoice `fastest`); or only the cheapest ones.
With affinity the draw is made from the conversation's name, so that the same conversation meets the same prompt cache.
"""

import zlib
from bisect import bisect
from collections.abc import Collection
from itertools import accumulate
from random import Random
from typing import cast

from msgspec import Struct

from edge.channels import RoutedChannel
from edge.health.board import Board
from edge.relay.choose import BASE_WEIGHT, Tier, tier_order
from edge.snapshot import EdgeSnapshot

DRAWS_MAX = 8  # before the members of a tier are looked at one by one
LISTS_MAX = 20_000  # kept lists: tiers times modes
_HASH_SPAN = 1 << 32


class Eligible(Struct, frozen=True):
    """Members of one tier that serve a mode and were healthy at `version`, with the running sums of their weights."""

    version: int
    channels: tuple[RoutedChannel, ...]
    sums: tuple[int, ...]


class Wish(Struct, frozen=True):
    """What a call asks for. `conversation` '' = no affinity."""

    group: str
    model: str
    mode: str
    conversation: str = ""


ListKey = tuple[str, str, str, int]


class Picker:
    """One per process."""

    def __init__(self, board: Board, rng: Random) -> None:
        self._board, self._rng = board, rng
        self._snapshot: EdgeSnapshot | None = None
        self._fitting: dict[ListKey, tuple[RoutedChannel, ...]] = {}
        self._eligible: dict[ListKey, Eligible] = {}
        self._turns: dict[int, int] = {}  # channel -> key that was used last

    def pick(
        self, snapshot: EdgeSnapshot, wish: Wish, *, attempt: int, tried: Collection[int], now: float
    ) -> RoutedChannel | None:
        """The channel for this attempt (0 = the first); None when every fitting one was tried or is at its ceiling.

        Healthy ones first; then those that cool down; then those whose breaker is open: a call is never refused only
        because of what earlier calls met.
        """
        tiers = snapshot.tiers.get((wish.group, wish.model), ())
        if not tiers:
            return None
        if snapshot is not self._snapshot or len(self._eligible) > LISTS_MAX:
            self._snapshot = snapshot
            self._fitting, self._eligible = {}, {}
        board = self._board
        if now >= board.next_change:
            board.advance(now)
        order = tier_order(len(tiers), attempt, snapshot.options.retry_tier_policy) if attempt else range(len(tiers))
        for place in order:
            found = self._draw(self._list(tiers[place], place, wish, now), wish, tried, now, snapshot)
            if found is not None:
                return self.with_key(found, now)
        for level in (1, 2):
            for place in order:
                left = [
                    channel
                    for channel in self._fit(tiers[place], place, wish)
                    if channel.id not in tried
                    and board.blocked(channel.id, wish.model, now) == level
                    and not board.full(channel, now)
                ]
                if left:
                    return self.with_key(self._rng.choices(left, [c.weight + BASE_WEIGHT for c in left])[0], now)
        return None

    def only(self, snapshot: EdgeSnapshot, wish: Wish) -> RoutedChannel | None:
        """Whom every first `pick` finds until the board's `version` or `next_change` comes; None: that depends."""
        found = self._eligible.get((wish.group, wish.model, wish.mode, 0))
        if snapshot is not self._snapshot or found is None or found.version != self._board.version:
            return None
        if len(found.channels) != 1:
            return None
        only = found.channels[0]
        return None if only.keys or only.concurrency_max or only.per_minute_max else only

    def _fit(self, tier: Tier, place: int, wish: Wish) -> tuple[RoutedChannel, ...]:
        """Members that can serve the mode; they stay the same as long as the snapshot does."""
        key = (wish.group, wish.model, wish.mode, place)
        found = self._fitting.get(key)
        if found is None:
            members = cast(tuple[RoutedChannel, ...], tier.channels)
            found = tuple(c for c in members if c.provider.supports(wish.mode, c.view, wish.model))
            self._fitting[key] = found
        return found

    def _list(self, tier: Tier, place: int, wish: Wish, now: float) -> Eligible:
        key = (wish.group, wish.model, wish.mode, place)
        board = self._board
        found = self._eligible.get(key)
        if found is None or found.version != board.version:
            members = self._fit(tier, place, wish)
            if board.breakers:
                members = tuple(c for c in members if not board.blocked(c.id, wish.model, now))
            sums = tuple(accumulate(channel.weight + BASE_WEIGHT for channel in members))
            found = self._eligible[key] = Eligible(board.version, members, sums)
        return found

    def _draw(
        self, eligible: Eligible, wish: Wish, tried: Collection[int], now: float, snapshot: EdgeSnapshot
    ) -> RoutedChannel | None:
        channels, sums = eligible.channels, eligible.sums
        if not channels:
            return None
        if len(channels) == 1:  # as with most models
            only = channels[0]
            if only.id in tried or ((only.concurrency_max or only.per_minute_max) and self._board.full(only, now)):
                return None
            return only
        board, style = self._board, snapshot.options.channel_choice
        if style == "cheapest":
            return self._cheapest(channels, tried, now)
        if wish.conversation and not tried:
            sticky = self._sticky(snapshot, wish, now)
            if sticky is not None:
                return sticky
        total, random = sums[-1], self._rng.random
        first: RoutedChannel | None = None
        for _ in range(DRAWS_MAX):
            channel = channels[bisect(sums, random() * total)]
            if channel.id in tried or board.full(channel, now):
                continue
            if style != "fastest" or len(channels) == 1:
                return channel
            if first is None:
                first = channel
            elif channel is not first:
                return self._faster(first, channel, wish.model)
        if first is not None:
            return first
        left = [channel for channel in channels if channel.id not in tried and not board.full(channel, now)]
        return self._rng.choices(left, [c.weight + BASE_WEIGHT for c in left])[0] if left else None

    def _faster(self, one: RoutedChannel, other: RoutedChannel, model: str) -> RoutedChannel:
        """By mean first byte and calls under way; who was never measured goes first, so that it gets measured."""
        known, busy = self._board.first_byte_ms, self._board.in_flight
        a = known.get((one.id, model), 0.0) * (1 + busy.get(one.id, 0))
        b = known.get((other.id, model), 0.0) * (1 + busy.get(other.id, 0))
        return one if a <= b else other

    def _cheapest(
        self, channels: tuple[RoutedChannel, ...], tried: Collection[int], now: float
    ) -> RoutedChannel | None:
        left = [channel for channel in channels if channel.id not in tried and not self._board.full(channel, now)]
        if not left:
            return None
        least = min(channel.cost for channel in left)
        left = [channel for channel in left if channel.cost == least]
        return self._rng.choices(left, [c.weight + BASE_WEIGHT for c in left])[0]

    def _sticky(self, snapshot: EdgeSnapshot, wish: Wish, now: float) -> RoutedChannel | None:
        """The conversation's own channel of the highest tier, whoever else is ill; its second and third choice after it."""
        tier = snapshot.tiers[wish.group, wish.model][0]
        total = tier.sums[-1]
        for again in range(3):
            place = zlib.crc32(f"{again}:{wish.conversation}".encode()) / _HASH_SPAN * total
            channel = cast(RoutedChannel, tier.channels[bisect(tier.sums, place)])
            if (
                not self._board.blocked(channel.id, wish.model, now)
                and not self._board.full(channel, now)
                and channel.provider.supports(wish.mode, channel.view, wish.model)
            ):
                return channel
        return None

    def with_key(self, channel: RoutedChannel, now: float) -> RoutedChannel:
        """A multi-key channel with the key whose turn it is; keys that were refused lately wait."""
        keys = channel.keys
        if not keys:
            return channel
        if self._board.breakers:
            keys = tuple(key for key in keys if not self._board.key_blocked(key, now)) or keys
        if channel.multi_key == "random":
            return keys[int(self._rng.random() * len(keys))]
        turn = self._turns[channel.id] = self._turns.get(channel.id, -1) + 1
        return keys[turn % len(keys)]
