"""Bills: every worked example, and what holds for all of them."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.options import read_options
from schema.pricing import PriceMissing, charge, estimate_hold, find_price, other_members, price_image, quota_saved
from schema.usage import PriceRecord, TokenUsage, UsageRecord, read_record, write_record
from tests.schema.ledger.books import make_record

OPTIONS = read_options({"GroupRatio": '{"default":1,"vip":0.8,"half":0.5}'})


def price(model: str, group: str = "default", options=OPTIONS, **more) -> PriceRecord:
    found = find_price(options, model=model, group=group, **more)
    assert isinstance(found, PriceRecord)
    return found


def usage(text=0, out=0, **more) -> TokenUsage:
    return TokenUsage(input_text=text, output_text=out, **more)


@pytest.mark.parametrize(
    ("model", "group", "used", "quota"),
    [
        pytest.param("gpt-4o-mini", "default", usage(1000, 500), 225, id="1 plain"),
        pytest.param("gpt-3.5-turbo-0613", "default", usage(100, 50), 125, id="2 a third is not lost"),
        pytest.param("gpt-4o-mini", "vip", usage(1000, 500), 180, id="3 group"),
        pytest.param("gpt-4o", "default", usage(86, 300, input_cached=1920), 2808, id="4 cached, half up"),
        pytest.param(
            "claude-3-5-sonnet-20241022",
            "default",
            usage(21, 393, input_cached=2000, input_cache_write=1500),
            6092,
            id="5 and 6 cache read and write, the same on every endpoint",
        ),
        pytest.param(
            "claude-3-5-sonnet-20241022",
            "default",
            usage(21, 393, input_cached=2000, input_cache_write=500, input_cache_write_1h=1000),
            7217,  # (21 + 200 + 500 x 1.25 + 1000 x 2 + 393 x 5) x 1.5 = 7216.5
            id="cache written for an hour",
        ),
        pytest.param(
            "claude-3-5-sonnet-20241022", "half", usage(input_cache_write_1h=1000), 1500, id="all of it for an hour"
        ),
        pytest.param("gpt-4-gizmo-g-abc", "half", usage(7, 7), 25_000, id="8 per call"),
        pytest.param(
            "gpt-4o-audio-preview", "default", usage(100, 50, input_audio=200, output_audio=300), 40_375, id="9 audio"
        ),
        pytest.param(
            "gpt-4o-realtime-preview-2024-12-17",
            "default",
            usage(50, 20, input_audio=500, output_audio=400),
            26_325,
            id="10 realtime",
        ),
        pytest.param("whisper-1", "default", usage(1033), 15_495, id="14 transcription"),
        pytest.param("tts-1", "default", usage(1000), 7_500, id="15 speech"),
        pytest.param("text-embedding-3-small", "default", usage(30), 1, id="16 less than a unit costs one"),
        pytest.param("gpt-4o", "default", usage(500, 800), 4625, id="21 success"),
        pytest.param("gpt-4o-mini", "default", usage(11, 10), 4, id="25 estimated"),
        pytest.param("o3-mini", "default", usage(11, 120), 270, id="26 cut"),
        pytest.param("gpt-4o", "default", usage(), 0, id="nothing used, nothing charged"),
    ],
)
def test_charge(model, group, used, quota):
    assert charge(used, price(model, group)) == quota


def test_an_own_ratio_of_cache_writes_moves_both_lifetimes():
    options = read_options({"ModelRatio": '{"m":1}', "CacheCreationRatio": '{"m":2.5}'})
    found = price("m", options=options)
    assert charge(usage(input_cache_write=1000, input_cache_write_1h=1000), found) == 2500 + 4000
    used = usage(input_cache_write=300, input_cache_write_1h=700)
    other = other_members(used, found, first_byte_ms=-1, use_channel=[], dialect="claude")
    assert {name: other[name] for name in other if name.startswith("cache_creation")} == {
        "cache_creation_tokens": 1000, "cache_creation_ratio": 2.5, "cache_creation_tokens_5m": 300,
        "cache_creation_ratio_5m": 2.5, "cache_creation_tokens_1h": 700, "cache_creation_ratio_1h": 4.0,
    }  # fmt: skip
    assert used.prompt_tokens == used.cache_written == 1000


def test_a_record_written_before_the_hour_was_told_apart_is_read():
    """The array ends a field earlier; and a reader of then passes over the last one."""
    record = make_record(usage=usage(10, 5, input_cache_write=7))
    parts = msgspec.msgpack.decode(write_record(record))
    place = UsageRecord.__struct_fields__.index("usage")
    assert parts[place] == [10, 0, 7, 0, 0, 5, 0, 0, False, 0]
    parts[place].pop()
    assert read_record(msgspec.msgpack.encode(parts)) == record
    parts[place] += [9, "of a later version"]
    assert read_record(msgspec.msgpack.encode(parts)).usage == usage(10, 5, input_cache_write=7, input_cache_write_1h=9)


def test_openai_cache_through_a_claude_endpoint():
    options = read_options({"ModelRatio": '{"m":1.5}', "CompletionRatio": '{"m":5}', "CacheRatio": '{"m":0.1}'})
    found = price("m", options=options)
    assert charge(usage(200, 100, input_cached=800), found) == 1170
    assert quota_saved(usage(200, 100, input_cached=800), found) == 1080


@pytest.mark.parametrize(
    ("size", "quality", "count", "group", "quota"),
    [
        ("1792x1024", "hd", 2, "vip", 96_000),
        ("1024x1024", "standard", 1, "default", 20_000),
        ("1024x1024", "hd", 1, "default", 40_000),
    ],
)
def test_pictures(size, quality, count, group, quota):
    found = price_image(price("dall-e-3", group), upstream_model="dall-e-3", size=size, quality=quality, count=count)
    assert charge(TokenUsage(), found) == quota


def test_pictures_without_a_price_cost_by_ratio():
    found = price("m", options=read_options({"ModelRatio": '{"m":16}'}))
    one = price_image(found, upstream_model="m", size="1024x1024", quality="", count=1)
    assert charge(TokenUsage(), one) == 20_000


def test_a_model_without_a_ratio_is_refused_unless_somebody_accepts_it():
    assert find_price(OPTIONS, model="nobody-knows", group="default") == PriceMissing("nobody-knows")
    assert price("nobody-knows", accept_unset=True).model_ratio == Decimal("37.5")
    assert price("nobody-knows", options=read_options({"SelfUseModeEnabled": "true"})).model_ratio == Decimal("37.5")


def test_the_operator_wins_over_built_in_completion_rules():
    options = read_options({"CompletionRatio": '{"gpt-4o":7}'})
    assert price("gpt-4o", options=options).completion_ratio == 7
    assert price("gpt-4o-mini", options=options).completion_ratio == 4


def test_the_cache_ratio_of_a_channel_wins_over_the_option():
    assert price("gpt-4o").cache_ratio == Decimal("0.5")
    assert price("gpt-4o", channel_cache_ratio=Decimal("0.25")).cache_ratio == Decimal("0.25")
    assert price("gpt-4o", channel_cache_ratio=Decimal(0)).cache_ratio == 0


def test_a_group_pair_wins_over_the_group():
    options = read_options({"GroupGroupRatio": '{"gold":{"vip":0.3}}', "GroupRatio": '{"vip":2}'})
    assert price("gpt-4o", "vip", options, user_group="gold").group_ratio == Decimal("0.3")
    assert price("gpt-4o", "vip", options, user_group="default").group_ratio == 2


def test_hold_covers_prompt_and_answer_at_full_price():
    assert estimate_hold(500, 4000, price("gpt-4o")) == 20_625
    assert estimate_hold(20_000, None, price("gpt-4o")) == 27_500


RATIO = st.decimals(min_value=0, max_value=1000, places=6)
COUNT = st.integers(0, 10**9)
PRICES = st.builds(
    PriceRecord,
    per_call=st.booleans(),
    model_ratio=RATIO,
    completion_ratio=RATIO,
    group_ratio=RATIO,
    model_price=RATIO,
    cache_ratio=RATIO,
    cache_write_ratio=RATIO,
    audio_ratio=RATIO,
    audio_completion_ratio=RATIO,
    image_ratio=RATIO,
    quota_per_unit=st.just(Decimal(500_000)),
)
USED = st.builds(TokenUsage, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, input_cache_write_1h=COUNT)


@given(USED, PRICES)
def test_a_charge_is_never_negative_and_exact_to_half_a_unit(used, found):
    from fractions import Fraction as F

    quota = charge(used, found)
    if found.per_call:
        exact = F(found.model_price) * F(found.quota_per_unit) * F(found.group_ratio)
    else:
        exact = (
            used.input_text
            + used.input_cached * F(found.cache_ratio)
            + used.input_cache_write * F(found.cache_write_ratio)
            + used.input_cache_write_1h * F(found.cache_write_ratio) * F(8, 5)
            + used.input_image * F(found.image_ratio)
            + used.input_audio * F(found.audio_ratio)
            + used.output_text * F(found.completion_ratio)
            + used.output_audio * F(found.audio_ratio) * F(found.audio_completion_ratio)
        ) * F(found.model_ratio)
        exact *= F(found.group_ratio)
    assert quota >= 0
    assert quota == 1 if 0 < exact < 1 else abs(quota - exact) <= F(1, 2) or quota == 1


@given(USED, PRICES, COUNT)
def test_more_tokens_never_cost_less(used, found, more):
    bigger = TokenUsage(
        *(
            getattr(used, name)
            for name in ("input_text", "input_cached", "input_cache_write", "input_audio", "input_image")
        ),
        used.output_text + more,
        used.output_audio,
        input_cache_write_1h=used.input_cache_write_1h + more,
    )
    assert charge(bigger, found) >= charge(used, found)


def test_no_figure_of_a_provider_is_below_zero():
    odd = TokenUsage(
        input_text=-5, input_cached=3, output_text=-1, output_audio=2, reasoning=-7, input_cache_write_1h=-9
    )
    assert odd == TokenUsage(input_text=0, input_cached=3, output_text=0, output_audio=2, reasoning=0)
