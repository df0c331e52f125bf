"""What may be lost on the way to another dialect, and what may not."""

from schema.dialects.errors import Unsupported
from schema.dialects.neutral import Request, ServerTool

# Members of a client's body that change what is answered so much that dropping them silently would deceive.
_NEEDED = {
    "mcp_servers": "mcp_servers",
    "container": "container",
    "previous_response_id": "previous_response_id",
    "conversation": "conversation",
    "prompt": "prompt templates",
    "cachedContent": "cachedContent",
    "background": "background",
}
# Tools of a provider that only make an answer better; the model can answer without them.
_HARMLESS_TOOLS = ("web_search", "url_context", "code_execution", "tool_search")


def refuse_needed(request: Request, target_name: str) -> None:
    """Raises Unsupported for members and provider-run tools that no other dialect can carry."""
    for member, feature in _NEEDED.items():
        if request.extra.get(member):
            raise Unsupported(feature, target_name)
    for tool in request.tools:
        if isinstance(tool, ServerTool) and not tool.kind.startswith(_HARMLESS_TOOLS):
            raise Unsupported(f"tools: {tool.kind}", target_name)


def refuse_modalities(request: Request, allowed: frozenset[str], target_name: str) -> None:
    """Raises Unsupported when the client wants a kind of output that the target does not produce."""
    for kind in request.modalities:
        if kind not in allowed:
            raise Unsupported(f"modalities: {kind}", target_name)


def note_dropped(request: Request, dropped: list[str] | None, *names: str) -> None:
    """Names of sampling members that the client gave and the target lacks, and of all unknown members."""
    if dropped is None:
        return
    sampling = request.sampling
    dropped.extend(name for name in names if getattr(sampling, name) not in (None, ()))
    dropped.extend(request.extra)
