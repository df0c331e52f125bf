"""Shapes of a conversation that several targets ask for: alternating roles, tool results first, answers to every call."""

from collections.abc import Iterable

from schema.dialects.neutral import Block, Thinking, ToolCall, ToolResult, Turn


def merge_neighbours(turns: Iterable[Turn]) -> list[Turn]:
    """Neighbours of the same role become one turn; in user turns the tool results stand first, in their order."""
    merged: list[tuple[str, list[Block]]] = []
    for turn in turns:
        if not turn.blocks:
            continue
        if merged and merged[-1][0] == turn.role:
            merged[-1][1].extend(turn.blocks)
        else:
            merged.append((turn.role, list(turn.blocks)))
    return [
        Turn(
            "user" if role == "user" else "assistant",
            tuple(sorted(blocks, key=lambda block: not isinstance(block, ToolResult)))
            if role == "user"
            else tuple(blocks),
        )
        for role, blocks in merged
    ]


def tool_names(turns: Iterable[Turn]) -> dict[str, str]:
    """Tool call id -> function name, over the whole conversation."""
    return {block.id: block.name for turn in turns for block in turn.blocks if isinstance(block, ToolCall)}


def ends_in_unthought_tool_turn(turns: list[Turn]) -> bool:
    """The model is about to go on after a tool call whose turn has no proven thinking: Claude then refuses to think."""
    if not turns or not any(isinstance(block, ToolResult) for block in turns[-1].blocks):
        return False
    before = next((turn for turn in reversed(turns) if turn.role == "assistant"), None)
    return before is not None and not any(
        isinstance(block, Thinking) and (block.signature or block.redacted) for block in before.blocks
    )
