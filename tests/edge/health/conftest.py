"""Channels and snapshots made of what a test names, for everything that chooses."""

from types import SimpleNamespace

import pytest

from edge.channels import RoutedChannel, index_channels
from schema.dialects.providers.base import ChannelView
from schema.dialects.providers.registry import get_provider
from schema.options import read_options


def channel(number, *, models=("m",), **more):
    provider = get_provider("openai")
    values = {
        "id": number, "priority": 0, "weight": 0, "type": 1, "view": ChannelView(id=number, provider="openai", key="k"),
        "provider": provider, "groups": ("default",), "models": models, "model_mapping": {}, "status_mapping": {},
        "auto_ban": True, "cache_ratio": None,
    }  # fmt: skip
    return RoutedChannel(**values | more)


@pytest.fixture
def make_channel():
    return channel


@pytest.fixture
def make_snapshot():
    def make(*channels, **options):
        return SimpleNamespace(tiers=index_channels(channels), options=read_options(options))

    return make
