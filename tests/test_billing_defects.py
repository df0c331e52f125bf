"""The defects B1 to B32 that the predecessors' billing has, each with the tests that show it absent here."""

import importlib
from decimal import Decimal

import pytest

from schema.dialects.gemini.usage import read_usage
from schema.dialects.gemini.wire import Usage
from schema.options import read_options
from schema.pricing import charge, find_price
from schema.usage import PriceRecord, TokenUsage

ABSENT: dict[str, tuple[str, ...]] = {
    # settled after the answer, in memory: kill -9 makes calls free
    "B1": ("crash.test_kill9.test_kill_9_of_anything_under_load", "workers.test_reap.test_an_expired_hold_with_checkpoint_is_charged_as_cut"),
    # sums in memory, lost at the end of the process or by a failed UPDATE
    "B2": ("crash.test_worker_killed.test_kill_9_at_random_moments", "crash.test_wires.test_connections_reset_at_random_moments"),
    # check, then act: N calls pass the same check
    "B3": ("schema.ledger.test_hot.test_200_parallel_calls_on_a_balance_for_10",
           "edge.relay.test_relay_end_to_end.test_calls_are_relayed_and_charged_and_a_balance_for_ten_passes_ten"),
    # the hold ignores the prompt and the completion ratio
    "B4": ("test_billing_examples.test_23_and_24_who_cannot_pay_is_refused_and_nothing_changes",
           "schema.test_pricing.test_hold_covers_prompt_and_answer_at_full_price"),
    # whole rows written back: stale balances
    "B5": ("edge.console.test_stale_edits.test_every_edit_with_what_was_seen_before_a_call_was_charged",),
    # absolute balances written by edits
    "B6": ("edge.console.test_stale_edits.test_every_edit_with_what_was_seen_before_a_call_was_charged",
           "schema.ledger.test_entries.test_guards"),
    # a channel's counter goes back when its status changes
    "B7": ("edge.console.test_stale_edits.test_every_edit_with_what_was_seen_before_a_call_was_charged",),
    # locks within one process guard redemptions and payments
    "B8": ("edge.console.test_tokens.test_one_of_forty_redeemers_wins", "edge.console.payments.test_epay.test_duplicates_at_once_credit_once"),
    # payments marked before they are credited, amounts not compared
    "B9": ("edge.console.payments.test_epay.test_signed_notices_that_do_not_agree_credit_nothing",
           "edge.console.payments.test_stripe.test_duplicates_at_once_credit_once"),
    # top-ups in units cut down to whole dollars
    "B10": ("edge.console.payments.test_epay.test_units_are_credited_whole", "test_billing_examples.test_top_up"),
    # one redemption at a time, up to three seconds each
    "B11": ("edge.console.test_tokens.test_one_of_forty_redeemers_wins",),
    # failed calls of other dialects keep the hold
    "B12": ("edge.relay.test_upstreams_gone_bad.test_other_dialects_fail_in_their_form_and_give_the_hold_back",),
    # Realtime: a reserve that is never settled, keys that are damaged
    "B13": ("edge.realtime.test_realtime.test_what_a_turn_costs",
            "edge.realtime.test_realtime.test_a_key_that_begins_with_s_lives_beyond_its_first_turn"),
    # pictures by ratio nearly free
    "B14": ("test_billing_examples.test_charges", "schema.test_pricing.test_pictures_without_a_price_cost_by_ratio"),
    # cached tokens mean something else in each dialect
    "B15": ("test_billing_examples.test_charges", "schema.test_pricing.test_openai_cache_through_a_claude_endpoint"),
    # built-in rules override the operator
    "B16": ("schema.test_pricing.test_the_operator_wins_over_built_in_completion_rules",),
    # wrong names in the built-in tables
    "B17": ("test_billing_defects.test_names_in_the_built_in_tables",),
    # rounding and truncating, charges below one unit lost
    "B18": ("schema.test_pricing.test_a_charge_is_never_negative_and_exact_to_half_a_unit",),
    # no usage, no charge
    "B19": ("test_billing_defects.test_what_was_used_is_charged", "edge.relay.test_upstreams_gone_bad.test_a_stream_that_breaks_off_is_charged_and_ended"),
    # bad estimates
    "B20": ("schema.test_counting.test_pictures", "test_billing_examples.test_pictures_in_a_chat"),
    # a stream that breaks off is free and tried again into the same answer
    "B21": ("edge.relay.test_upstreams_gone_bad.test_a_stream_that_breaks_off_is_charged_and_ended", "edge.relay.test_retry.test_another_channel_would_not_help"),
    # refunds in the background of a retry: a spurious lack of quota
    "B22": ("crash.test_faults.test_bad_upstreams_are_left_for_one_that_answers",),
    # token held, account not: the token's quota is lost
    "B23": ("test_billing_examples.test_23_and_24_who_cannot_pay_is_refused_and_nothing_changes",),
    # refunds of tasks forget token and counters
    "B24": ("edge.tasks.test_drawing.test_a_failure_gives_everything_back_once",),
    # charges without an id
    "B25": ("workers.test_settle.test_an_unmarked_duplicate_meets_the_second_lock",),
    # log, counters and balances in statements apart
    "B26": ("workers.test_settle.test_one_call_on_every_table", "workers.test_any_order.test_any_order"),
    # remaining quota of unlimited tokens runs far below zero
    "B27": ("workers.test_settle.test_an_unlimited_token_moves_only_its_used_quota",),
    # a reminder with every call, showing the old balance
    "B28": ("workers.test_after.test_told_with_the_new_balance_and_not_again_within_the_hour",),
    # two machines make the same hour twice
    "B29": ("workers.test_settle.test_sums_grow_over_batches_and_settlers", "workers.test_settle.test_two_settlers_on_the_same_partitions_at_once"),
    # who sends again pays again
    "B30": ("edge.relay.test_gates.test_a_repeated_idempotency_key_is_charged_once",
            "schema.ledger.test_hot.test_idempotency_key_is_taken_until_the_call_fails"),
    # account and token in transactions apart
    "B31": ("schema.ledger.test_entries.test_a_token_alone_and_with_its_owner",),
    # a reader of the stream goes on after it was settled
    "B32": ("edge.relay.test_watch.test_any_cut_gives_the_same_bytes_and_the_same_usage",
            "edge.relay.test_upstreams_gone_bad.test_a_stream_that_falls_silent_ends_with_an_error_event"),
}  # fmt: skip


@pytest.mark.parametrize("defect", [f"B{number}" for number in range(1, 33)])
def test_each_has_a_test_that_exists(defect: str):
    for name in ABSENT[defect]:
        module, _, function = name.rpartition(".")
        assert callable(getattr(importlib.import_module(f"tests.{module}"), function)), name


@pytest.mark.parametrize(
    ("model", "ratio", "completion"),
    [
        ("gpt-4-1106-preview", "5", 3),
        ("gpt-4-0125-preview", "5", 3),
        ("gpt-4o-all", "15", 4),
        ("gpt-4o-gizmo-g-abc", "2.5", 3),
        ("llama-3-sonar-large-32k-online", "0.5", 1),
    ],
)
def test_names_in_the_built_in_tables(model: str, ratio: str, completion: int):
    """A suffix test where a prefix was meant, an alias that was missing, an integer division that made models free."""
    found = find_price(read_options({}), model=model, group="default")
    assert isinstance(found, PriceRecord)
    assert (found.model_ratio, found.completion_ratio) == (Decimal(ratio), completion)


def test_what_was_used_is_charged():
    """Thoughts of Gemini are output, and a price per call is taken however little the provider tells of usage."""
    said = Usage(prompt_token_count=10, candidates_token_count=5, thoughts_token_count=90, total_token_count=105)
    read = read_usage(said)
    assert read is not None and (read.prompt_tokens, read.completion_tokens, read.reasoning) == (10, 95, 90)
    options = read_options({"ModelPrice": '{"m":0.1}'})
    per_call = find_price(options, model="m", group="default")
    assert isinstance(per_call, PriceRecord)
    assert charge(TokenUsage(), per_call) == 50_000
