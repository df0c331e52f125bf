"""Ready-made requests: what is the same for every call of a kind on a channel is made once, and only the body is new.

`Provider.prepare` costs 40 us; a chat call that stays in its dialect differs from the one before in its body alone.
A lane keeps the address, the headers and the edit rules. Providers that sign bodies or put the call into headers never get
one. Lanes hang on the snapshot's channel objects, so a changed channel or option brings new ones.
"""

from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from edge.channels import RoutedChannel
from edge.relay.wanted import Wanted
from edge.upstream.http1 import Origin, write_head
from schema.dialects.base import Dialect, Target
from schema.dialects.openai.pass_through import leaves_as_it_came
from schema.dialects.providers.base import Call, Outgoing, Settings
from schema.dialects.providers.openai_like import OpenAILike
from schema.dialects.providers.template import BaseProvider
from schema.dialects.registry import get_dialect

LANES_MAX = 4096  # kinds of calls; a client that invents Accept headers must not fill the memory
_END = b"\r\naccept-encoding: identity\r\n\r\n"
_SAME = ("prepare", "draft", "chat", "chat_wire", "finish", "accept", "sign")  # what a provider must not have changed

Key = tuple[int, int, str, bool, bytes]  # channel, number of its key, upstream model, stream, the client's Accept


class Lane(Struct, frozen=True):
    """One kind of call on one channel."""

    provider: OpenAILike
    dialect: Dialect
    target: Target
    call: Call  # the one that made the lane; its body and times belong to that call
    template: Outgoing  # its body as well
    origin: Origin
    head: bytes  # up to the content length
    unedited: bool  # a bare request for the target's model leaves as it came

    def body_for(self, body: bytes, wanted: Wanted, channel: RoutedChannel) -> bytes:
        """Raises DialectError."""
        if self.unedited and wanted.bare and wanted.model == self.target.model:
            return body
        return self.provider.change_chat(self.dialect.edit_request(body, self.target), self.call, channel.view)

    def head_for(self, body: bytes) -> bytes:
        return b"%b%d%b" % (self.head, len(body), _END)


def origin_of(url: SplitResult) -> Origin:
    tls = url.scheme == "https"
    return Origin(url.hostname or "", url.port or (443 if tls else 80), tls)


def request_head(sent: Outgoing, url: SplitResult, body_bytes: int) -> bytes:
    """Raises ValueError for headers that cannot be sent."""
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    return write_head(sent.method, target, url.netloc.rpartition("@")[2], list(sent.headers), body_bytes)


class Lanes:
    """One per snapshot."""

    def __init__(self, settings: Settings) -> None:
        self._lanes: dict[Key, Lane] = {}
        self._copied = frozenset(
            {b"openai-beta"} | {name.lower().encode() for name in settings.forward_client_headers}
        )  # headers of the client that would go upstream

    def find(self, key: Key, headers: Mapping[bytes, bytes]) -> Lane | None:
        lane = self._lanes.get(key)
        return lane if lane is not None and self._copied.isdisjoint(headers) else None

    def learn(
        self, key: Key, call: Call, channel: RoutedChannel, sent: Outgoing, headers: Mapping[bytes, bytes]
    ) -> None:
        """Keep a lane if the next call of this kind may use it. Raises ValueError for headers that cannot be sent."""
        provider = channel.provider
        if len(self._lanes) >= LANES_MAX or not self._copied.isdisjoint(headers):
            return
        if not isinstance(provider, OpenAILike) or not may_have_lane(provider, call, channel, sent):
            return
        url = urlsplit(sent.url)
        head = request_head(sent, url, 0)
        assert head.endswith(b"0" + _END), "the length is the last thing that a head says of its body"
        target = provider.target(call, channel.view)
        unedited = leaves_as_it_came(target, stream=call.stream) and not provider.changes_chat
        self._lanes[key] = Lane(
            provider, get_dialect(sent.wire), target, call, sent, origin_of(url), head[: -len(_END) - 1], unedited
        )


def may_have_lane(provider: OpenAILike, call: Call, channel: RoutedChannel, sent: Outgoing) -> bool:
    """Does nothing but the body depend on the call?"""
    view = channel.view
    return (
        all(getattr(type(provider), name) is getattr(BaseProvider, name) for name in _SAME)
        and not provider.credential_key(view)
        and call.mode == "chat"
        and call.client_dialect == sent.wire == "openai"
        and sent.passthrough
        and (call.settings.force_stream_options or not call.stream)
        and not (sent.more or view.param_override or view.setting.get("header_override") or call.query)
    )
