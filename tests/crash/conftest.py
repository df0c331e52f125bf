"""Fixtures of the crash tests."""

from tests.services import postgres_server, valkey_server

__all__ = ["postgres_server", "valkey_server"]
