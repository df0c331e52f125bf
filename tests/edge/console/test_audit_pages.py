"""The audit by who, what, on what and when; and every action has a name in both languages of the console."""

import json
import re
from pathlib import Path

import pytest
from sqlalchemy import insert

from schema.redis_losses import EMPTIED, RESTARTED, REWOUND
from schema.tables import AuditEntry

ROOT = Path(__file__).parents[3]
WRITES = re.compile(r'audit\(\s*db,\s*(?:Actor\([^)]*\)|actor),\s*"([a-z0-9_.]+)"')
LOCALES = ROOT / "admin_ui/src/features/operations/locales"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [4, 3, 2, 1]),
        ("actor=grace", [3, 2]),
        ("actor_id=1", [4, 1]),
        ("action=channel.update", [2]),
        ("action=channel.", [3, 2]),
        ("action=chan%25.", []),
        ("target=option", [4, 1]),
        ("target=option:Notice", [4]),
        ("start_timestamp=200", [4, 3, 2]),
        ("start_timestamp=200&end_timestamp=300", [3, 2]),
    ],
)
async def test_filters(console, query, found):
    rows = [
        (1, 100_000, 1, "root", "option.write", "option", "RetryTimes"),
        (2, 200_000, 2, "grace", "channel.update", "channel", "7"),
        (3, 300_999, 2, "grace", "channel.delete", "channel", "7"),
        (4, 400_000, 1, "root", "option.write", "option", "Notice"),
    ]
    names = ("id", "at_ms", "actor_id", "actor", "action", "subject", "subject_id")
    async with console.visitor() as http:
        await console.set_up(http)
        async with console.services.engine.begin() as db:
            await db.execute(AuditEntry.__table__.delete())
            await db.execute(insert(AuditEntry), [dict(zip(names, row, strict=True)) for row in rows])
        page = (await http.get(f"/api/audit?{query}")).json()["data"]
    assert [entry["id"] for entry in page["items"]] == found
    assert page["total"] == len(found)


def test_every_action_is_named_in_both_languages():
    written = {code for file in (ROOT / "edge").rglob("*.py") for code in WRITES.findall(file.read_text())}
    assert {"option.write", "user.password_reset", "channel.copy"} <= written
    written |= {"ledger.reprice", EMPTIED, REWOUND, RESTARTED}  # by a command, and by workers
    offered = (LOCALES.parent / "api/operations.ts").read_text()
    assert sorted(code for code in written if f'"{code}"' not in offered) == []
    for file in (LOCALES / "en.json", LOCALES / "zh-CN.json"):
        named = json.loads(file.read_text())["did"]
        assert sorted(code for code in written if code.replace(".", "_") not in named) == []
