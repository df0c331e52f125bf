"""The worked examples of the billing rules, 1 to 28, in their order and by their numbers: from what a provider says to what an account
pays. Where the gateway deliberately differs from its predecessor, the id says so."""

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import convert
from msgspec.structs import replace

from schema import counting
from schema.dialects.claude import usage as claude
from schema.dialects.openai import usage as openai
from schema.ledger.hot import QuotaShort, Reserved
from schema.options import read_options
from schema.payments.prices import make_offer, write_money
from schema.pricing import PriceMissing, charge, estimate_hold, find_price, price_image
from schema.quota import Quota
from schema.tables import LedgerEntry, Log, Token, User
from schema.usage import PriceRecord, TokenUsage
from tests.schema.ledger.books import make_record, open_books
from tests.workers.settling import find_drifts, make_settler, settle_all

OPTIONS = read_options(
    {
        "GroupRatio": '{"default":1,"vip":0.8,"half":0.5}',
        "ModelRatio": '{"m":1.5,"picture":16,"gpt-4o-mini":0.075,"gpt-4o":1.25,"gpt-3.5-turbo-0613":0.75,"o3-mini":0.55,'
        '"claude-3-5-sonnet-20241022":1.5,"gpt-4o-audio-preview":1.25,"gpt-4o-realtime-preview-2024-12-17":2.5,'
        '"whisper-1":15,"tts-1":7.5,"text-embedding-3-small":0.01}',
        "CompletionRatio": '{"m":5}',
        "CacheRatio": '{"m":0.1,"gpt-4o":0.5,"claude-3-5-sonnet-20241022":0.1}',
    }
)


def price(model: str, group: str = "default") -> PriceRecord:
    found = find_price(OPTIONS, model=model, group=group)
    assert isinstance(found, PriceRecord)
    return found


def of_openai(prompt: int, completion: int, **details: int) -> TokenUsage:
    """As OpenAI's form says it; details are named as in `prompt_tokens_details`, or `spoken`."""
    spoken = details.pop("spoken", 0)
    said = {
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": details, "completion_tokens_details": {"audio_tokens": spoken},
    }  # fmt: skip
    usage = openai.read_usage(convert(said, openai.Usage))
    assert usage is not None
    return usage


CLAUDE = claude.read_usage(
    claude.Usage(input_tokens=21, cache_read_input_tokens=2000, cache_creation_input_tokens=1500, output_tokens=393)
)
HOUR = claude.read_usage(
    convert(
        {
            "input_tokens": 21, "cache_read_input_tokens": 2000, "cache_creation_input_tokens": 1500, "output_tokens": 393,
            "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1000},
        },
        claude.Usage,
    )
)  # fmt: skip
WIDE = {"upstream_model": "dall-e-3", "size": "1792x1024", "quality": "hd", "count": 2}
SQUARE = {"upstream_model": "dall-e-3", "size": "1024x1024", "quality": "standard", "count": 1}
SONNET = "claude-3-5-sonnet-20241022"
DALLE, PLAIN_PICTURE = price("dall-e-3"), price("picture")
HELLO = [{"role": "user", "content": "Hello, world!"}]
ANSWER = "Hi there! How can I help you today?"
ESTIMATED = TokenUsage(
    input_text=counting.count_messages("gpt-4o-mini", HELLO), output_text=counting.count_text("gpt-4o-mini", ANSWER)
)
WHISPER = TokenUsage(input_text=counting.transcription_tokens(61.2))
AUDIO = of_openai(300, 350, audio_tokens=200, spoken=300)
TALK = of_openai(550, 420, audio_tokens=500, spoken=400)


@pytest.mark.parametrize(
    ("usage", "found", "quota"),
    [
        pytest.param(of_openai(1000, 500), price("gpt-4o-mini"), 225, id="1"),
        pytest.param(of_openai(100, 50), price("gpt-3.5-turbo-0613"), 125, id="2"),
        pytest.param(of_openai(1000, 500), price("gpt-4o-mini", "vip"), 180, id="3"),
        pytest.param(of_openai(2006, 300, cached_tokens=1920), price("gpt-4o"), 2808, id="4"),
        pytest.param(CLAUDE, price(SONNET), 6092, id="5: rounded, not truncated"),
        pytest.param(HOUR, price(SONNET), 7217, id="5 with 1000 of 1500 written for an hour, at twice the input price"),
        pytest.param(
            of_openai(3521, 393, cached_tokens=2000, cache_creation_tokens=1500), price(SONNET), 6092,
            id="6: the same call costs the same on the other endpoint",
        ),
        pytest.param(of_openai(1000, 100, cached_tokens=800), price("m"), 1170, id="7: cached tokens are a part"),
        pytest.param(of_openai(1, 1), price("gpt-4-gizmo-g-abc", "half"), 25_000, id="8"),
        pytest.param(AUDIO, price("gpt-4o-audio-preview"), 40_375, id="9"),
        pytest.param(TALK, price("gpt-4o-realtime-preview-2024-12-17"), 26_325, id="10"),
        pytest.param(TokenUsage(input_text=2), price_image(price("dall-e-3", "vip"), **WIDE), 96_000, id="11"),
        pytest.param(TokenUsage(input_text=1), price_image(DALLE, **SQUARE), 20_000, id="12 standard"),
        pytest.param(
            TokenUsage(input_text=1), price_image(DALLE, **{**SQUARE, "quality": "hd"}), 40_000, id="12 hd"
        ),
        pytest.param(
            TokenUsage(input_text=1), price_image(PLAIN_PICTURE, **{**SQUARE, "upstream_model": "picture"}), 20_000,
            id="13: the intended amount",
        ),
        pytest.param(WHISPER, price("whisper-1"), 15_495, id="14"),
        pytest.param(TokenUsage(input_text=len("x" * 1000)), price("tts-1"), 7_500, id="15"),
        pytest.param(of_openai(30, 0), price("text-embedding-3-small"), 1, id="16: no call with usage is free"),
        pytest.param(ESTIMATED, price("gpt-4o-mini"), 4, id="25"),
        pytest.param(TokenUsage(input_text=11, output_text=120), price("o3-mini"), 270, id="26"),
    ],
)  # fmt: skip
def test_charges(usage: TokenUsage, found: PriceRecord, quota: int):
    assert charge(usage, found) == quota


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        pytest.param("gpt-4o", (1024, 1024), 765, id="17"),
        pytest.param("gpt-4o-mini", (1024, 1024), 25_501, id="18"),
        pytest.param("gpt-4o", (2048, 4096), 1105, id="19"),
    ],
)
def test_pictures_in_a_chat(model: str, size: tuple[int, int], tokens: int):
    assert counting.image_tokens(model, *size, "high") == tokens


HOLD = estimate_hold(500, 4000, price("gpt-4o"))


@pytest.mark.parametrize("limited", [True, False], ids=["20 and 21", "22: no trust, so the same hold for everybody"])
async def test_a_hold_and_its_end(tmp_path: Path, valkey_server: str, limited: bool):
    """20: a failed call gives everything back. 21: a call keeps what it cost. Holds are at full price: 500 + 4000 x 4."""
    assert HOLD == (500 + 4000 * 4) * 1.25 == 20_625
    user, left, settler = 1_000_000, 50_000, None
    async with open_books(tmp_path, valkey_server) as books:
        await books.add_user(1, user, **({"t5": left} if limited else {}))
        if not limited:
            async with books.engine.begin() as db:
                await db.execute(Token.__table__.insert().values(id=5, user_id=1, key="k" * 48, unlimited_quota=True))
        token = 5 if limited else None
        await books.hot.load(1, token)

        async def reserve(name: str) -> None:
            held = await books.hot.reserve(
                request_id=name, user_id=1, token_id=token, amount=HOLD, deadline_ms=books.hot.deadline_ms(60)
            )
            assert held == Reserved(Quota(user - HOLD))
            if limited:
                assert await books.redis.hget("mx:{1}:b:1", "t5") == str(left - HOLD).encode()

        await reserve("failed")
        await books.hot.release("failed", 1)
        assert await books.hot.available(1) == user
        assert len(await books.all(Log)) == 0

        await reserve("good")
        cost = charge(of_openai(500, 800), price("gpt-4o"))
        assert cost == 4625
        used = of_openai(500, 800)
        record = make_record("good", quota=cost, token_id=5, usage=used, price=price("gpt-4o"), channel_id=7)
        await books.hot.settle(replace(record, token_limited=limited))
        assert await books.hot.available(1) == user - 4625
        settler = make_settler(books)
        await settle_all(settler)
        account, key = await books.one(User, 1), await books.one(Token, 5)
        assert (account.quota, account.used_quota, account.request_count) == (user - 4625, 4625, 1)
        assert (key.remain_quota, key.used_quota) == (left - 4625 if limited else 0, 4625)
        (row,) = await books.all(Log)
        assert (row.quota, row.prompt_tokens, row.completion_tokens) == (4625, 500, 800)
        assert await find_drifts(books) == []


async def test_23_and_24_who_cannot_pay_is_refused_and_nothing_changes(tmp_path: Path, valkey_server: str):
    async with open_books(tmp_path, valkey_server) as books:
        await books.add_user(1, 50_000, t5=5_000)
        await books.add_user(2, 700)
        await books.hot.load(1, 5)
        await books.hot.load(2)
        later = books.hot.deadline_ms(60)
        small = await books.hot.reserve(request_id="a", user_id=1, token_id=5, amount=HOLD, deadline_ms=later)
        assert small == QuotaShort("token", Quota(5_000))
        assert await books.hot.available(1) == 50_000
        overdraft = estimate_hold(20_000, None, price("gpt-4o"), completion_guess=500)
        assert overdraft == 27_500, "the prompt counts, although no limit is given"
        poor = await books.hot.reserve(request_id="b", user_id=2, token_id=None, amount=overdraft, deadline_ms=later)
        assert poor == QuotaShort("user", Quota(700))
        assert [entry.kind for entry in await books.all(LedgerEntry)] == ["opening"] * 3


def test_25_counts():
    assert (ESTIMATED.input_text, ESTIMATED.output_text) == (3 + 1 + 4 + 3, 10)


@pytest.mark.parametrize(
    ("amount", "in_currency", "pays", "credited"),
    [
        pytest.param(10, True, "73.00", 5_000_000, id="27"),
        pytest.param(750_000, False, "10.95", 750_000, id="27 in units: all of them"),
    ],
)
def test_top_up(amount: int, in_currency: bool, pays: str, credited: int):
    offer = make_offer(
        amount, in_currency=in_currency, quota_per_unit=Decimal(500_000), lowest_usd=1, price=Decimal("7.3"),
        ratio=Decimal(1),
    )  # fmt: skip
    assert (write_money(offer.money_minor), offer.quota) == (pays, credited)


def test_28_a_model_without_a_ratio():
    assert find_price(OPTIONS, model="nobody-knows", group="default") == PriceMissing("nobody-knows")
    alone = read_options({"SelfUseModeEnabled": "true"})
    found = find_price(alone, model="o1-nobody-knows", group="default")
    assert isinstance(found, PriceRecord)
    assert (found.model_ratio, found.completion_ratio) == (Decimal("37.5"), 4)
