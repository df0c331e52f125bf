"""The built-in lists: known providers, known owners, no doubles."""

import pytest

from schema.dialects.providers.registry import get_provider
from schema.models_catalog import default_models, model_lists, owner_of

TASKS = {"midjourney", "midjourney-plus", "suno"}


@pytest.mark.parametrize(
    ("model", "owner"),
    [
        ("gpt-4o", "openai"),
        ("claude-3-7-sonnet-20250219-thinking", "claude"),
        ("gemini-2.5-pro", "google gemini"),
        ("ernie-4.0-8k", "baidu-v2"),
        ("mj_imagine", "midjourney"),
        ("never-heard-of", "custom"),
    ],
)
def test_owner(model, owner):
    assert owner_of(model) == owner


def test_lists_have_no_doubles_and_name_real_providers():
    for name, held in model_lists().items():
        assert len(set(held.models)) == len(held.models), name
        assert name in TASKS or get_provider(name).name == name


def test_lists_of_providers_that_share_one():
    assert default_models("azure") == default_models("openai") != ()
    assert default_models("dify") == default_models("unknown") == ()


def test_names_with_underscores_are_the_same():
    assert default_models("zhipu_v4") == default_models("zhipu-v4") != ()
    assert default_models("360") == default_models("ai360") != ()
