"""Fixtures of the workers' tests: books on every database that is installed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.schema.ledger.books import Books, open_books
from tests.services import new_mariadb, new_postgres

__all__ = ["any_books", "books"]


@pytest.fixture
async def books(tmp_path: Path, valkey_server: str) -> AsyncIterator[Books]:
    async with open_books(tmp_path, valkey_server) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
async def any_books(request: pytest.FixtureRequest, tmp_path: Path, valkey_server: str) -> AsyncIterator[Books]:
    dsn = ""
    if request.param == "postgresql":
        dsn = new_postgres(request.getfixturevalue("postgres_server"), "workers")
    elif request.param == "mariadb":
        dsn = new_mariadb(request.getfixturevalue("mariadb_server"), "workers")
    async with open_books(tmp_path, valkey_server, dsn) as opened:
        yield opened
