"""Bills of providers beside our books: what agrees is quiet, what does not is named."""

import io
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import insert

from medusa.invoice import Cell, InvoiceError, Sum, compare, day_of, read_day, read_invoice
from schema.database import make_engine
from schema.migrate import migrate
from schema.tables import Channel, UsageHourly

ROOT = Path(__file__).parents[2]
DAY = 1_744_329_600  # 2025-04-11 00:00 UTC
A = Cell(0, "2025-04-11", "gpt-4o")


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2025-04-11", "2025-04-11"),
        ("20250411", "2025-04-11"),
        ("2025-04-11T23:59:59Z", "2025-04-11"),
        ("2025-04-11T23:30:00-02:00", "2025-04-12"),
        ("2025-04-11 10:00:00", "2025-04-11"),
        (str(DAY), "2025-04-11"),
        (f"{DAY - 1}.5", "2025-04-10"),
    ],
)
def test_days(text, day):
    assert read_day(text) == day


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("date,model,cost\n2025-04-11,gpt-4o,1.25\n2025-04-11,gpt-4o,$0.75\n,,\n", id="plain, with an empty line"),
        pytest.param("Usage Date (UTC),Model Version,Cost USD\n2025-04-11,gpt-4o,2\n", id="other spellings"),
        pytest.param('start_time,line_item,amount_value\n1744329600,gpt-4o,"1,999.5"\n1744329600,gpt-4o,-1997.5\n', id="Unix times"),
    ],
)  # fmt: skip
def test_bills(text):
    assert read_invoice(io.StringIO(text), {}, with_channels=False) == {A: Sum(Decimal(2))}


def test_columns_may_be_named():
    text = "when,what,usd,in\n2025-04-11,gpt-4o,1,10\n"
    names = {"day": "when", "model": "what", "prompt": "in"}
    assert read_invoice(io.StringIO(text), names, with_channels=False) == {A: Sum(Decimal(1), prompt=10)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "day, model"),
        ("date,model\n2025-04-11,x\n", "cost or tokens"),
        ("date,model,cost\nyesterday,x,1\n", "line 2"),
        ("date,model,cost\n2025-04-11,x,1\n2025-04-11,x,NaN\n", "line 3"),
        ("date,model,cost\n2025-04-11,x,much\n", "line 2"),
    ],
)
def test_bills_that_cannot_be_read(text, said):
    with pytest.raises(InvoiceError, match=said):
        read_invoice(io.StringIO(text), {}, with_channels=False)


@pytest.mark.parametrize(
    ("theirs", "ours", "finding"),
    [
        (Sum(Decimal(1), 1000, 100), Sum(Decimal(2), 1005, 100, 3), ""),
        (Sum(Decimal(1)), Sum(Decimal(1), 7, 7, 1), ""),
        (Sum(Decimal(1), 1000, 100), Sum(Decimal(2), 1011, 100, 3), "prompt tokens differ by +11"),
        (Sum(Decimal(1), 1000, 100), Sum(Decimal(2), 1000, 98, 3), "completion tokens differ by -2"),
        (Sum(Decimal(1)), Sum(Decimal("0.5"), 7, 7, 1), "charged 0.5000 USD less than billed"),
        (Sum(Decimal(1)), None, "billed, but not in our books"),
        (None, Sum(Decimal(1)), "in our books, but not billed"),
    ],
)
def test_findings(theirs, ours, finding):
    (line,) = compare({A: theirs} if theirs else {}, {A: ours} if ours else {}, tolerance=Decimal("0.01"))
    assert line.finding == finding


def test_days_of_hours():
    assert [day_of(DAY), day_of(DAY + 86_399 - 3599), day_of(DAY - 3600)] == ["2025-04-11", "2025-04-11", "2025-04-10"]


async def fill(path):
    engine = make_engine("", sqlite_path=str(path))
    await migrate(engine)
    cell = {"user_id": 1, "calls": 2, "quota": 500_000, "prompt_tokens": 100, "completion_tokens": 10}
    async with engine.begin() as db:
        await db.execute(insert(Channel).values(id=7, key="k", name="one", model_mapping='{"fast": "gpt-4o-mini"}'))
        for number, (channel, hour, model) in enumerate(
            [
                (7, DAY, "gpt-4o"),
                (7, DAY + 3600, "gpt-4o"),
                (7, DAY, "fast"),
                (8, DAY, "gpt-4o"),
                (7, DAY - 3600, "gpt-4o"),
            ]
        ):
            row = {"channel_id": channel, "hour": hour, "model": model, "token_id": number}
            await db.execute(insert(UsageHourly).values(**cell, **row))
    await engine.dispose()


async def test_the_command(tmp_path):
    await fill(tmp_path / "one.db")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATA_DIR": str(tmp_path)}
    environ["SQLITE_PATH"] = str(tmp_path / "one.db")

    def run(text, *words):
        (tmp_path / "bill.csv").write_text(text)
        command = [sys.executable, "-m", "medusa.cli", "invoice", "bill.csv", *words]
        return subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60)

    head = "date,model,input_tokens,output_tokens,cost\n"
    good = head + "2025-04-11,gpt-4o,200,20,1.5\n2025-04-11,4o-mini-2024,100,10,0.9\n"
    done = run(good, "--channel", "7", "--alias", "4o-mini-2024=gpt-4o-mini")
    assert (done.returncode, done.stdout.strip()) == (
        0, "2 cells compared, 0 do not agree; billed 2.40 USD, charged 3.00 USD",
    ), done.stderr  # fmt: skip
    both = run(
        good.replace(",200,20,", ",300,30,"), "--channel", "7", "--channel", "8", "--alias", "4o-mini-2024=gpt-4o-mini"
    )
    assert both.returncode == 0, both.stdout
    wrong = run(good, "--channel", "7")
    assert wrong.returncode == 1
    assert "billed, but not in our books" in wrong.stdout
    assert "in our books, but not billed" in wrong.stdout
    assert run("channel," + head + "8,2025-04-11,gpt-4o,100,10,1\n").returncode == 0
    assert run("nothing\n").returncode == 2
