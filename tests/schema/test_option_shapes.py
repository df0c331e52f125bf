"""JSON settings are refused when they do not hold what their readers expect; what predecessors stored is still read."""

import pytest

from schema.options import OPTIONS, OptionError, parse_value, validate_option


@pytest.mark.parametrize(
    ("key", "text", "problem"),
    [
        ("TaskTimeoutMinutes", '{"mj": 30}', ""),
        ("TaskTimeoutMinutes", '{"mj": "long"}', "the value of 'mj' must be a number"),
        ("ModelTokensPerMinuteGroup", '{"vip": true}', "the value of 'vip' must be a number"),
        ("UserUsableGroups", '{"vip": 1}', "the value of 'vip' must be a text"),
        ("AutoGroups", "[1]", "must be a JSON list of names"),
        ("ModelRequestRateLimitGroup", '{"vip": [10, 5]}', ""),
        ("ModelRequestRateLimitGroup", '{"vip": [10]}', "list of two whole numbers"),
        ("ModelRequestRateLimitGroup", '{"vip": [10, 1.5]}', "list of two whole numbers"),
        ("GroupGroupRatio", '{"vip": {"default": -1}}', "the ratio of 'vip' for 'default'"),
        ("claude.model_headers_settings", '{"claude-3": {"anthropic-beta": ["a", "b"]}}', ""),
        ("claude.model_headers_settings", '{"claude-3": {"anthropic-beta": "a"}}', ""),
        ("claude.model_headers_settings", '{"claude-3": {"anthropic-beta": [1]}}', "must be a text or a list of texts"),
        ("Chats", '[{"A": "https://a"}, {"B": "x", "C": "y"}]', "entry 2 must be an object of one name and its link"),
    ],
)
def test_what_may_be_written(key, text, problem):
    if not problem:
        assert validate_option(key, text) == text
        return
    with pytest.raises(OptionError) as refused:
        validate_option(key, text)
    assert problem in str(refused.value)


def test_what_a_predecessor_stored_is_read():
    assert parse_value(OPTIONS["ModelRequestRateLimitGroup"], '{"vip": [10]}', tolerant=True) == {"vip": [10]}


def test_every_setting_that_is_shown_is_named_and_explained_in_both_languages():
    for key, spec in OPTIONS.items():
        texts = [text for one in (spec.english, spec.chinese) for text in (one.label, one.help)]
        assert all(texts) != spec.hidden, key
        assert spec.hidden or spec.shape or not spec.kind.startswith("json"), f"{key} has no shape"
        assert spec.english.help.endswith(".") or spec.hidden, key


def test_no_two_settings_of_a_section_have_one_name():
    shown = [spec for spec in OPTIONS.values() if not spec.hidden]
    for name in ("english", "chinese"):
        places = [(spec.group, spec.section, getattr(spec, name).label) for spec in shown]
        assert sorted(places) == sorted(set(places))
