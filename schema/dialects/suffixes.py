"""Rules in a model's name: reasoning effort and thinking by suffix, and Claude's thinking arithmetic. Pure."""

from collections.abc import Collection
from decimal import Decimal

from msgspec import Struct

from schema.dialects.neutral import Reasoning

REASONING_PREFIXES = ("o1", "o3", "o4", "gpt-5")  # option ReasoningPrefixes
_NOT_REASONING = ("gpt-5-chat",)  # takes temperature and max_tokens as ordinary models do
_NO_DEVELOPER = ("o1-mini", "o1-preview")  # know neither system nor developer messages; left as the client wrote them
_EFFORTS = ("-high", "-low", "-medium")  # tested in this order, one is stripped
_GPT5_EFFORTS = ("-xhigh", "-high", "-low", "-medium", "-minimal", "-none")

CLAUDE_MAX_TOKENS_MIN = 1280  # smallest limit that leaves room for the smallest budget
CLAUDE_BUDGET_MIN = 1024  # Anthropic refuses less
_SHARE_MAX = Decimal("0.95")


class Suffix(Struct, frozen=True):
    """`name` goes upstream. `reasoning` None = the name asked for nothing."""

    name: str
    reasoning: Reasoning | None = None


def is_reasoning_model(model: str, prefixes: tuple[str, ...] = REASONING_PREFIXES) -> bool:
    """OpenAI's rule by name; a vendor in front (`openai/o3`) does not matter."""
    name = model.rpartition("/")[2]
    return name.startswith(prefixes) and not name.startswith(_NOT_REASONING)


def takes_developer(model: str) -> bool:
    """Reasoning models get `developer` messages instead of `system`, but for the first two of 2024."""
    return not model.rpartition("/")[2].startswith(_NO_DEVELOPER)


def openai_suffix(
    model: str, *, prefixes: tuple[str, ...] = REASONING_PREFIXES, literal: Collection[str] = ()
) -> Suffix:
    """`o3-mini-high` -> o3-mini, effort high. A name that the channel's mapping writes out (`literal`) is left alone."""
    if not is_reasoning_model(model, prefixes) or model in literal:
        return Suffix(model)
    return _effort(model, _GPT5_EFFORTS if model.rpartition("/")[2].startswith("gpt-5") else _EFFORTS)


def xai_suffix(model: str, *, literal: Collection[str] = ()) -> Suffix:
    """grok-3-mini takes the same three suffixes."""
    if not model.startswith("grok-3-mini") or model in literal:
        return Suffix(model)
    return _effort(model, _EFFORTS)


def claude_suffix(model: str, *, enabled: bool) -> Suffix:
    """`-thinking` on a Claude name, when option claude.thinking_adapter_enabled is on. Off: the name stays as it is."""
    if enabled and model.endswith("-thinking"):
        return Suffix(model.removesuffix("-thinking"), Reasoning("on"))
    return Suffix(model)


def gemini_suffix(model: str, *, enabled: bool) -> Suffix:
    """`-thinking`, `-thinking-128` (a budget), `-nothinking`, `-low|-medium|-high`; option gemini.thinking_adapter_enabled."""
    if not enabled or not model.startswith("gemini-"):
        return Suffix(model)
    if model.endswith("-nothinking"):
        return Suffix(model.removesuffix("-nothinking"), Reasoning("off", budget_tokens=0))
    if model.endswith("-thinking"):
        return Suffix(model.removesuffix("-thinking"), Reasoning("on", include_thoughts=True))
    head, mark, budget = model.rpartition("-thinking-")
    if mark and budget.isascii() and budget.isdigit():
        return Suffix(head, Reasoning("on", budget_tokens=int(budget), include_thoughts=True))
    return _effort(model, _EFFORTS)


def _effort(model: str, suffixes: tuple[str, ...]) -> Suffix:
    for suffix in suffixes:
        if model.endswith(suffix):
            effort = suffix[1:]
            return Suffix(model.removesuffix(suffix), Reasoning("off" if effort == "none" else "on", effort))
    return Suffix(model)


def claude_thinking(max_tokens: int, share: Decimal) -> tuple[int, int]:
    """(limit, budget) in tokens for a wish to think without a budget. `share` is option
    claude.thinking_adapter_budget_tokens_percentage; the budget stays below the limit and at least 1024."""
    limit = max(max_tokens, CLAUDE_MAX_TOKENS_MIN)
    return limit, max(int(limit * min(share, _SHARE_MAX)), CLAUDE_BUDGET_MIN)


def gemini_budget(max_tokens: int | None, share: Decimal) -> int | None:
    """Thinking budget of `-thinking`; None = leave it to the model, because the client gave no limit."""
    return None if not max_tokens else int(max_tokens * share)
