"""Every row of the table of rules, and the class of each kind of failure."""

import pytest

from schema.upstreams.rules import CLASSES, class_of, find_rule

KEYWORDS = ("your credit balance is too low", "permission denied")


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        pytest.param({"status": 401}, 3, id="refused key"),
        pytest.param({"status": 403, "channel_type": 24}, 4, id="Gemini says 403 for a dead key"),
        pytest.param({"status": 403}, None, id="403 of others may be one model only"),
        pytest.param({"status": 429, "code": "billing_not_active"}, 5, id="code"),
        pytest.param({"status": 429, "type": "insufficient_quota"}, 6, id="type"),
        pytest.param({"status": 400, "message": "Your Credit Balance is TOO low."}, 7, id="keyword in any case"),
        pytest.param({"status": 500, "message": "oops"}, None, id="their fault, but alive"),
        pytest.param({"status": 429}, None, id="busy, but alive"),
    ],
)
def test_find_rule(facts, rule):
    given = {"status": 0, "channel_type": 1, "code": "", "type": "", "message": "", "keywords": KEYWORDS} | facts
    found = find_rule(**given)
    assert (found.rule if found else None) == rule
    if rule == 7:
        assert found.keyword == "your credit balance is too low"


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (0, "upstream_failed", "connect"),
        (0, "upstream_timeout", "timeout"),
        (504, "", "timeout"),
        (401, "", "auth"),
        (403, "", "auth"),
        (400, "invalid_api_key", "auth"),
        (402, "", "quota"),
        (429, "insufficient_quota", "quota"),
        (429, "", "rate_limit"),
        (404, "", "model_missing"),
        (500, "", "server"),
        (200, "", "bad_response"),
        (400, "content_filter", "content_filter"),
        (422, "", "other"),
    ],
)
def test_class_of(status, code, expected):
    assert class_of(status, code) == expected
    assert expected in CLASSES
