"""Options and environment as providers see them."""

from decimal import Decimal

from schema.config import read_config
from schema.dialects.providers.settings import read_settings
from schema.options import read_options


def test_defaults():
    settings = read_settings(read_options({}), read_config({}))
    assert settings.force_stream_options and settings.claude_default_max_tokens["default"] == 8192
    assert settings.gemini_versions["default"] == "v1beta" and settings.claude_thinking_share == Decimal("0.8")
    assert settings.gemini_images_max == 16


def test_values_arrive():
    rows = {
        "claude.model_headers_settings": '{"m":{"anthropic-beta":["a","b"]}}',
        "gemini.thinking_adapter_enabled": "true",
        "gemini.safety_settings": '{"default":"OFF"}',
    }
    environ = {
        "AZURE_DEFAULT_API_VERSION": "v9",
        "GEMINI_VISION_MAX_IMAGE_NUM": "-1",
        "DIFY_DEBUG": "false",
        "COHERE_SAFETY_SETTING": "STRICT",
    }
    settings = read_settings(read_options(rows), read_config(environ))
    assert settings.claude_headers == {"m": {"anthropic-beta": ["a", "b"]}}
    assert settings.gemini_thinking and settings.gemini_safety == {"default": "OFF"}
    assert settings.azure_api_version == "v9" and settings.gemini_images_max > 1000
    assert not settings.dify_debug and settings.cohere_safety == "STRICT"
