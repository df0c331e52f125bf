"""`medusa explain`: every line of the arithmetic, wherever the call is, and the ledger's entries below."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from medusa.commands.explain import explain_request
from schema.ledger.keys import Keys
from schema.pricing import charge, price_image
from schema.usage import PriceRecord, TokenUsage, pack_records, write_record
from tests.schema.ledger.books import PARTITIONS, PRICE, Books, make_record, open_books
from tests.workers.settling import make_settler, settle_all
from workers.reap import reap

CLAUDE = replace(
    PRICE,
    model_ratio=Decimal("1.5"),
    completion_ratio=Decimal(5),
    cache_ratio=Decimal("0.1"),
    group_ratio=Decimal("0.8"),
)
PICTURE = replace(PRICE, per_call=True, model_price=Decimal("0.04"), group_ratio=Decimal("0.8"))


async def explain(books: Books, request_id: str) -> list[str]:
    return await explain_request(books.engine, books.engine, books.execute, PARTITIONS, request_id)


@pytest.mark.parametrize(
    ("usage", "price", "lines"),
    [
        pytest.param(
            TokenUsage(input_text=86, input_cached=1920, output_text=300),
            replace(PRICE, model_ratio=Decimal("1.25")),
            [
                "  86 prompt tokens",
                "  1920 prompt tokens read from a cache x 0.5 cache ratio = 960",
                "  300 completion tokens x 4 completion ratio = 1200",
                "  2246 x 1.25 model ratio x 1 group ratio = 2807.5",
                "  rounded half up, once",
                "  charge: 2808 quota = 0.005616 USD",
            ],
            id="cached, half up",
        ),
        pytest.param(
            TokenUsage(input_text=21, input_cached=2000, input_cache_write=1500, output_text=393),
            CLAUDE,
            [
                "  21 prompt tokens",
                "  2000 prompt tokens read from a cache x 0.1 cache ratio = 200",
                "  1500 prompt tokens written to a cache x 1.25 cache write ratio = 1875",
                "  393 completion tokens x 5 completion ratio = 1965",
                "  4061 x 1.5 model ratio x 0.8 group ratio = 4873.2",
                "  rounded half up, once",
                "  charge: 4873 quota = 0.009746 USD",
            ],
            id="cache read and write, group",
        ),
        pytest.param(
            TokenUsage(input_text=21, input_cache_write=500, output_text=393, input_cache_write_1h=1000),
            CLAUDE,
            [
                "  21 prompt tokens",
                "  500 prompt tokens written to a cache x 1.25 cache write ratio = 625",
                "  1000 prompt tokens written to a cache for an hour x 2 cache write ratio x 1.6 = 2000",
                "  393 completion tokens x 5 completion ratio = 1965",
                "  4611 x 1.5 model ratio x 0.8 group ratio = 5533.2",
                "  rounded half up, once",
                "  charge: 5533 quota = 0.011066 USD",
            ],
            id="cache written for an hour",
        ),
        pytest.param(
            TokenUsage(input_text=100, input_audio=200, output_text=50, output_audio=300, estimated=True),
            replace(PRICE, model_ratio=Decimal("1.25"), audio_ratio=Decimal(40)),
            [
                "  the provider sent no usage: tokens were counted here",
                "  100 prompt tokens",
                "  200 audio tokens heard x 40 audio ratio = 8000",
                "  50 completion tokens x 4 completion ratio = 200",
                "  300 audio tokens spoken x 80 audio ratio x audio completion ratio = 24000",
                "  32300 x 1.25 model ratio x 1 group ratio = 40375",
                "  charge: 40375 quota = 0.08075 USD",
            ],
            id="audio, estimated",
        ),
        pytest.param(
            TokenUsage(input_text=10, input_image=30),
            replace(PRICE, image_ratio=Decimal("1.6")),
            [
                "  10 prompt tokens",
                "  30 image tokens x 1.6 image ratio = 48",
                "  58 x 0.075 model ratio x 1 group ratio = 4.35",
                "  rounded half up, once",
                "  charge: 4 quota = 0.000008 USD",
            ],
            id="image tokens",
        ),
        pytest.param(
            TokenUsage(input_text=2),
            price_image(PICTURE, upstream_model="dall-e-3", size="1792x1024", quality="hd", count=2),
            [
                "  0.24 USD a call x 500000 quota per USD x 0.8 group ratio = 96000",
                "  charge: 96000 quota = 0.192 USD",
            ],
            id="pictures",
        ),
        pytest.param(
            TokenUsage(input_text=3),
            PRICE,
            [
                "  3 prompt tokens",
                "  3 x 0.075 model ratio x 1 group ratio = 0.225",
                "  rounded half up, once; a call that is not free costs at least 1",
                "  charge: 1 quota = 0.000002 USD",
            ],
            id="less than a unit",
        ),
    ],
)
async def test_arithmetic(tmp_path: Path, valkey_server: str, usage: TokenUsage, price: PriceRecord, lines: list[str]):
    quota = charge(usage, price)
    async with open_books(tmp_path, valkey_server) as books:
        await books.add_user(1, 1_000_000, t5=500_000)
        await books.add_channel()
        record = make_record(
            "r1", usage=usage, price=price, quota=quota, token_id=5, use_channel=[3, 7], upstream_model="u"
        )
        await books.hot.settle(record)
        waiting = await explain(books, "r1")
        assert waiting[3:-1] == lines
        assert waiting[-1] == "  the record waits for a worker; no balance in the database has moved yet"
        await settle_all(make_settler(books))
        told = await explain(books, "r1")
        assert told[:-1] == waiting[:-1], "the log row tells the same as the record"
        assert told[:3] == [
            "request r1, ended 2025-04-11 14:02:03 UTC, status 200",
            "  by user 1 user1, token 5 token5; group default",
            "  model gpt-4o-mini, upstream u; channel 7, tried in the order 3, 7; plain answer of 1.500 s, first byte"
            " after 0.400 s",
        ]
        moved = f"balance {-quota:+}, the token's remaining quota {-quota:+}"
        assert told[-1] == f"ledger: settle at 2025-04-11 14:02:03 UTC: {moved}"


async def test_calls_that_are_open_unknown_or_charged_in_two_parts(tmp_path: Path, valkey_server: str):
    async with open_books(tmp_path, valkey_server) as books:
        await books.add_user(1, 1_000_000)
        await books.hot.load(1)
        later = books.hot.deadline_ms(60)
        await books.hot.reserve(request_id="open", user_id=1, token_id=None, amount=40, deadline_ms=later)
        assert await explain(books, "open") == ["request open of user 1 has not ended; 40 quota are held"]
        assert await explain(books, "nobody") == []

        relayed = write_record(make_record("two", quota=100))
        await books.hot.reserve(
            request_id="two", user_id=1, token_id=None, amount=300, deadline_ms=1, checkpoint=relayed
        )
        await reap(books.execute, Keys(PARTITIONS))
        await books.hot.settle(make_record("two", quota=225))
        await settle_all(make_settler(books))
        told = await explain(books, "two")
        assert "  cut: what was relayed until the end is charged" in told
        assert "  rest of a call whose first part was charged when its process was thought dead: 125" in told
        assert [line.split(" at ")[0] for line in told if line.startswith("ledger")] == [
            "ledger: settle (reaped)",
            "ledger: settle_rest",
            "ledger: -225 in all",
        ]


async def test_a_record_among_others_of_its_entry(tmp_path: Path, valkey_server: str):
    """Also where one of them cannot be read, or the whole entry."""
    async with open_books(tmp_path, valkey_server) as books:
        await books.add_user(1, 1_000_000)
        written = [write_record(make_record(name, quota=quota)) for name, quota in (("one", 10), ("two", 20))]
        torn = {"u": 1, "t": 0, "q": 0, "p": pack_records(written)[:-1]}
        await books.redis.xadd("mx:{1}:usage", torn)
        entry = {"u": 1, "t": 0, "q": 30, "p": pack_records([written[0], b"\xa3two", written[1]])}
        await books.redis.xadd("mx:{1}:usage", entry)
        told = await explain(books, "two")
        assert told[0].startswith("request two, ended 2025-04-11")
        assert told[-1] == "  the record waits for a worker; no balance in the database has moved yet"
        assert await explain(books, "three") == []
