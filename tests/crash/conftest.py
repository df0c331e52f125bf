"""Fixtures of the crash tests."""

from tests.services import mariadb_server, postgres_server, valkey_server

__all__ = ["mariadb_server", "postgres_server", "valkey_server"]
