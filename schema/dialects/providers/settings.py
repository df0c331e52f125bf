"""What providers heed of the installation's options and environment, made once per snapshot."""

from decimal import Decimal
from typing import Any

from schema.config import Config
from schema.dialects.providers.base import Settings
from schema.options import Options

_NO_LIMIT = 1_000_000  # pictures; the option says -1


def read_settings(options: Options, config: Config) -> Settings:
    return Settings(
        force_stream_options=config.force_stream_option,
        pass_through=options.global_pass_through_request_enabled,
        fetch_worker=(options.worker_url, options.worker_valid_key),
        azure_api_version=config.azure_default_api_version,
        reasoning_prefixes=options.reasoning_prefixes,
        claude_default_max_tokens=options.claude_default_max_tokens,
        claude_thinking=options.claude_thinking_adapter_enabled,
        claude_thinking_share=Decimal(str(options.claude_thinking_adapter_budget_tokens_percentage)),
        claude_headers=_headers(options.claude_model_headers_settings),
        gemini_safety=options.gemini_safety_settings,
        gemini_versions=options.gemini_version_settings,
        gemini_thinking=options.gemini_thinking_adapter_enabled,
        gemini_thinking_share=Decimal(str(options.gemini_thinking_adapter_budget_tokens_percentage)),
        gemini_images_max=config.gemini_vision_max_image_num if config.gemini_vision_max_image_num >= 0 else _NO_LIMIT,
        cohere_safety=config.cohere_safety_setting,
        dify_debug=config.dify_debug,
        return_requested_model=options.return_requested_model,
        forward_client_headers=tuple(name.lower() for name in options.forward_client_headers),
        server_address=options.server_address,
        system_name=options.system_name,
    )


def _headers(held: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Option claude.model_headers_settings: model -> header -> a value or a list of them."""
    return {
        model: {
            name: [str(value) for value in (values if isinstance(values, list) else [values])]
            for name, values in headers.items()
        }
        for model, headers in held.items()
        if isinstance(headers, dict)
    }
