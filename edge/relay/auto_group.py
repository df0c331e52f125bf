"""The token group `auto`: the first group of the option AutoGroups that has a channel for the call, settled once for each call.

Only groups that the account may use are tried. Health plays no part: a group whose channels are ill keeps its calls, so that
the price does not change with the weather.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from edge.channels import RoutedChannel
from edge.relay.callers import Caller
from edge.relay.refusal import Refused, no_channel
from edge.snapshot import EdgeSnapshot
from schema.options import Options
from schema.pricing import billed_name

if TYPE_CHECKING:
    from edge.relay.live import LiveCall

AUTO = "auto"


def groups_to_try(options: Options, user_group: str) -> tuple[str, ...]:
    """What `auto` stands for in the hands of an account; empty also where the option is not in use."""
    return tuple(
        group
        for group in options.auto_groups
        if group in options.group_ratio and (group == user_group or group in options.user_usable_groups)
    )


def find_group(
    caller: Caller, options: Options, serves: Callable[[str], bool], *, or_first: bool = False
) -> str | None:
    """The first group that serves; else None, or the first group of all. Raises Refused where the account has none."""
    groups = groups_to_try(options, caller.user_group)
    if not groups:
        raise Refused(403, "group_not_allowed", "None of the groups behind auto may be used by this account.")
    return next(filter(serves, groups), groups[0] if or_first else None)


def has_candidate(snapshot: EdgeSnapshot, group: str, model: str, mode: str) -> bool:
    """An enabled channel of the group offers the model and knows the mode."""
    if "-gizmo" in model and (group, model) not in snapshot.tiers:
        model = billed_name(model)
    for tier in snapshot.tiers.get((group, model), ()):
        members = cast(tuple[RoutedChannel, ...], tier.channels)
        if any(channel.provider.supports(mode, channel.view, model) for channel in members):
            return True
    return False


def serves_pinned(snapshot: EdgeSnapshot, pinned: int) -> Callable[[str], bool]:
    """Is the pinned channel of the group? Its models do not matter."""
    channel = snapshot.channels.get(pinned)
    return lambda group: channel is not None and group in channel.groups


async def settle_group(live: "LiveCall", snapshot: EdgeSnapshot, pinned: int | None) -> EdgeSnapshot:
    """Sets the group of a call; returns the snapshot that has it. Raises Refused."""
    while True:
        group = _group_of(live, snapshot, pinned)
        if group is not None:
            live.group = group
            return snapshot
        newer = await live.relay.snapshots.newer(snapshot)
        if newer is None:
            raise no_channel(AUTO, live.wanted.model)
        snapshot = newer


def _group_of(live: "LiveCall", snapshot: EdgeSnapshot, pinned: int | None) -> str | None:
    caller, options = live.caller, snapshot.options
    if live.place.free:
        return find_group(caller, options, lambda group: True)
    if pinned is not None:
        return find_group(caller, options, serves_pinned(snapshot, pinned), or_first=True)
    return find_group(caller, options, lambda group: has_candidate(snapshot, group, live.wanted.model, live.mode))
