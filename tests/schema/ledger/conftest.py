"""Fixtures of the ledger's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.schema.ledger.books import Books, open_books

__all__ = ["books"]


@pytest.fixture
async def books(tmp_path: Path, valkey_server: str) -> AsyncIterator[Books]:
    async with open_books(tmp_path, valkey_server) as opened:
        yield opened
