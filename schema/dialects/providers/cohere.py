"""Cohere's v2 API.

Source: docs.cohere.com/reference: chat (v2), embed (v2), rerank (v2).
"""

from schema.dialects import rerank
from schema.dialects.embeddings import write_cohere_request
from schema.dialects.providers.answers import read_embed_request
from schema.dialects.providers.base import Call, ChannelView
from schema.dialects.providers.template import TEXT, BaseProvider, Draft
from schema.dialects.providers.urls import append
from schema.dialects.suffixes import Suffix

_PATHS = {"embedding": "/v2/embed", "rerank": "/v2/rerank"}


class CohereProvider(BaseProvider):
    name = "cohere"
    label = "Cohere"
    base_url = "https://api.cohere.ai"
    wire = "cohere"
    native = frozenset({"cohere"})
    modes = TEXT | {"embedding", "rerank"}

    def suffix(self, call: Call, channel: ChannelView) -> Suffix:
        return Suffix(call.upstream_model)

    def address(self, draft: Draft, call: Call, channel: ChannelView) -> str:
        base = (channel.base_url or self.base_url).rstrip("/").removesuffix("/v1")
        return append(base, _PATHS.get(call.mode, "/v2/chat"))

    def embedding(self, call: Call, channel: ChannelView) -> Draft:
        body = write_cohere_request(read_embed_request(call), call.upstream_model)
        return Draft(body, wire="cohere", model=call.upstream_model)

    def rerank(self, call: Call, channel: ChannelView) -> Draft:
        request = rerank.read_request(call.body, path_model=call.upstream_model)
        return Draft(
            rerank.write_cohere_request(request, call.upstream_model), wire="rerank", model=call.upstream_model
        )
