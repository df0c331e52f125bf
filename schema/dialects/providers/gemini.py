"""Google's Gemini API: chat, Imagen, Gemini's own picture models, embeddings in batches.

Source: ai.google.dev/api: generateContent, predict, batchEmbedContents.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from schema.dialects import embeddings, images
from schema.dialects.errors import Unsupported
from schema.dialects.files import Fetched
from schema.dialects.override import apply_override
from schema.dialects.providers.base import Call, ChannelView, Headers, NeedsFiles, Outgoing
from schema.dialects.providers.template import TEXT, BaseProvider, Draft, by_name
from schema.dialects.suffixes import Suffix


def is_imagen(model: str) -> bool:
    return model.startswith("imagen")


def draws(model: str) -> bool:
    """Gemini's own picture models: gemini-2.5-flash-image, gemini-2.0-flash-exp-image-generation …"""
    return "image" in model


class GoogleProvider(BaseProvider):
    """What Google's two hosts of Gemini share. `path` of a draft is `<model>:<action>`."""

    wire = "gemini"
    native = frozenset({"gemini"})
    modes = TEXT | {"embedding", "image"}

    def suffix(self, call: Call, channel: ChannelView) -> Suffix:
        return by_name(call, channel)

    def supports(self, mode: str, channel: ChannelView, model: str) -> bool:
        if mode == "image":
            return is_imagen(model) or draws(model)
        return super().supports(mode, channel, model)

    def chat(self, call: Call, channel: ChannelView, files: Mapping[str, Fetched] | None) -> Draft | NeedsFiles:
        draft = super().chat(call, channel, files)
        if isinstance(draft, Draft):
            draft.path = draft.model + (":streamGenerateContent?alt=sse" if call.stream else ":generateContent")
        return draft

    def image(self, call: Call, channel: ChannelView) -> Draft:
        request = images.read_request(call.body)
        model = call.upstream_model
        if is_imagen(model):
            body = images.write_imagen_request(request)
            return Draft(body, path=f"{model}:predict", wire="imagen", model=model)
        if request.n > 1:
            raise Unsupported("n above 1", f"{self.label} {model}")
        return Draft(images.write_gemini_request(request), path=f"{model}:generateContent", wire="gemini", model=model)


class GeminiProvider(GoogleProvider):
    name = "gemini"
    label = "Gemini"
    base_url = "https://generativelanguage.googleapis.com"

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        versions = call.settings.gemini_versions
        version = channel.other or versions.get(draft.model) or versions.get("default") or "v1beta"
        base = (channel.base_url or self.base_url).rstrip("/")
        if base.rsplit("/", 1)[-1].startswith("v1"):  # the address names the version itself
            return f"{base}/models/{draft.path}"
        return f"{base}/{version}/models/{draft.path}"

    def credentials(self, call: Call, channel: ChannelView, credential: str) -> Headers:
        return (("x-goog-api-key", channel.key.strip()),)

    def embedding(self, call: Call, channel: ChannelView) -> Draft:
        """More than a batch's worth of inputs goes in several calls: `state` holds (bodies to send, answers so far)."""
        if call.client_dialect == "gemini":
            request = embeddings.read_gemini_request(call.body, path_model=call.upstream_model)
        else:
            request = embeddings.read_openai_request(call.body, path_model=call.upstream_model)
        first, *rest = embeddings.write_gemini_requests(request, call.upstream_model)
        path = f"{call.upstream_model}:batchEmbedContents"
        state = (tuple(rest), ()) if rest else ()
        return Draft(first, path=path, wire="gemini", model=call.upstream_model, more=bool(rest), state=state)

    def next_step(
        self, call: Call, channel: ChannelView, sent: Outgoing, body: bytes, *, credential: str = ""
    ) -> Outgoing:
        (following, *rest), answers = sent.state
        answers = (*answers, body)
        following = apply_override(following, dict(channel.param_override))
        return replace(sent, body=following, more=bool(rest), state=(tuple(rest), answers) if rest else answers)
