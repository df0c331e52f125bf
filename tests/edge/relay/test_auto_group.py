"""The token group auto: which groups it stands for, and which of them a call gets."""

from types import SimpleNamespace

import pytest

from edge.console.models import usable_groups
from edge.relay.auto_group import find_group, groups_to_try, has_candidate, serves_pinned
from edge.relay.gate import group_in_effect
from edge.relay.refusal import Refused
from schema.options import OptionError, read_options, validate_option
from tests.edge.health.conftest import channel, index_channels

ROWS = {
    "AutoGroups": '["staff","gone","vip","default"]',
    "GroupRatio": '{"default":1,"vip":2,"staff":0.5}',
    "UserUsableGroups": '{"default":"usual","vip":"better"}',
}
OPTIONS = read_options(ROWS)


def _caller(token_group: str = "auto", user_group: str = "default") -> SimpleNamespace:
    return SimpleNamespace(token_group=token_group, user_group=user_group)


def test_it_stands_for_existing_groups_that_the_account_may_use_in_their_order():
    assert groups_to_try(OPTIONS, "default") == ("vip", "default")
    assert groups_to_try(OPTIONS, "staff") == ("staff", "vip", "default")
    assert set(groups_to_try(OPTIONS, "default")) <= set(usable_groups(OPTIONS, "default"))


def test_the_call_settles_it_only_where_the_option_is_in_use():
    assert group_in_effect(_caller(), OPTIONS) == ""
    assert group_in_effect(_caller("vip"), OPTIONS) == "vip"
    with pytest.raises(Refused) as refused:
        group_in_effect(_caller(), read_options({}))
    assert refused.value.code == "group_not_allowed"
    own = read_options({"GroupRatio": '{"auto":3}'})
    assert group_in_effect(_caller(user_group="auto"), own) == "auto", "an ordinary name without the option"


def test_the_first_group_that_serves_is_found():
    assert find_group(_caller(), OPTIONS, lambda group: True) == "vip"
    assert find_group(_caller(), OPTIONS, lambda group: group in ("staff", "default")) == "default"
    assert find_group(_caller(), OPTIONS, lambda group: False) is None
    assert find_group(_caller(), OPTIONS, lambda group: False, or_first=True) == "vip"
    with pytest.raises(Refused) as refused:
        find_group(_caller(), read_options({**ROWS, "AutoGroups": '["staff"]'}), lambda group: True)
    assert (refused.value.status, refused.value.code) == (403, "group_not_allowed")


def test_a_candidate_offers_the_model_and_knows_the_mode():
    one = channel(1, models=("m", "gpt-4-gizmo-*"), groups=("vip",))
    snapshot = SimpleNamespace(tiers=index_channels([one]), channels={1: one})
    assert has_candidate(snapshot, "vip", "m", "chat")
    assert has_candidate(snapshot, "vip", "gpt-4-gizmo-g-abc", "chat")
    assert not has_candidate(snapshot, "vip", "m", "suno")
    assert not has_candidate(snapshot, "default", "m", "chat")
    assert serves_pinned(snapshot, 1)("vip") and not serves_pinned(snapshot, 1)("default")
    assert not serves_pinned(snapshot, 2)("vip")


def test_the_option_takes_names_only():
    assert validate_option("AutoGroups", '["vip"]') == '["vip"]'
    with pytest.raises(OptionError):
        validate_option("AutoGroups", '["vip", 3]')
