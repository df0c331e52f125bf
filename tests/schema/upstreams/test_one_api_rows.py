"""Credentials that One API kept in `config` reach the provider; what the row itself says wins."""

import json
from types import SimpleNamespace

import pytest

from schema.secrets import Vault
from schema.tables import Channel
from schema.upstreams.account import read_account

VAULT = Vault("v" * 32)


@pytest.mark.parametrize(
    ("provider", "row", "config", "seen"),
    [
        ("aws", {"key": "one"}, {"ak": "A", "sk": "S", "region": "r"}, {"key": "A|S|r"}),
        ("aws", {"key": "a|b|c"}, {"ak": "A", "sk": "S", "region": "r"}, {"key": "a|b|c"}),
        ("vertex", {"key": "x"}, {"vertex_ai_adc": "{}", "region": "eu", "vertex_ai_project_id": "p"},
         {"key": "{}", "other": "eu", "setting": {"vertex_project_id": "p"}}),
        ("azure", {}, {"api_version": "2024"}, {"other": "2024"}),
        ("azure", {"other": "2023"}, {"api_version": "2024"}, {"other": "2023"}),
        ("gemini", {}, {"api_version": "v1"}, {"other": "v1"}),
        ("cloudflare", {}, {"user_id": "acc"}, {"other": "acc"}),
        ("ali", {}, {"plugin": "pdf"}, {"other": "pdf"}),
        ("coze", {}, {"user_id": "u"}, {"other": "u"}),
        ("openai", {}, {"user_id": "u"}, {"other": ""}),
        ("azure", {}, "not json", {"other": ""}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sealed", [False, True])
def test_config_is_honoured(provider, row, config, seen, sealed):
    text = config if isinstance(config, str) else json.dumps(config)
    blank = dict.fromkeys(column.name for column in Channel.__table__.columns)
    held = {"id": 1, "provider": provider, "key": "k", "models": "m", "config": VAULT.seal(text) if sealed else text}
    stored = SimpleNamespace(**{**blank, **held, **row})
    view = read_account(stored, VAULT, one_api=True).view
    assert {name: getattr(view, name) for name in seen} == seen
