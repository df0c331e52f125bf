"""Pages as the families count them, and the reply's one shape."""

import json

import pytest

from edge.console.envelope import write_failure, write_success
from edge.console.paging import Family, Page, read_page


@pytest.mark.parametrize(
    ("family", "p", "size", "expected"),
    [
        pytest.param(Family.USERS, None, None, Page(1, 10, 0), id="no parameters: the first page, not an empty list"),
        pytest.param(Family.USERS, "3", "20", Page(3, 20, 40), id="users count from one"),
        pytest.param(Family.USERS, "-1", "-5", Page(1, 10, 0), id="nonsense is the default"),
        pytest.param(Family.TOKENS, "2", "500", Page(2, 100, 200), id="tokens count from zero, 100 at most"),
        pytest.param(Family.OWN_LOGS, "1", "1000", Page(1, 100, 0), id="own logs: 100 at most"),
        pytest.param(Family.TASKS, "1", "50", Page(1, 10, 10), id="tasks: ten, whatever is asked"),
        pytest.param(Family.CHANNELS, "x", "9" * 30, Page(0, 10, 0), id="bad numbers are zero, never an error"),
    ],
)
def test_read_page(family, p, size, expected):
    assert read_page(family, p=p, size=size) == expected


@pytest.mark.parametrize("family", list(Family))
def test_no_page_number_overflows_the_offset(family):
    assert read_page(family, p=str(2**63 - 1), size="1000").offset < 2**63


def test_data_is_absent_or_null_as_said():
    assert json.loads(write_success()) == {"success": True, "message": ""}
    assert json.loads(write_success(None)) == {"success": True, "message": "", "data": None}


def test_failure_has_code_and_facts():
    expected = {"success": False, "message": "no", "code": "not_found", "params": {"id": 4}}
    assert json.loads(write_failure("no", code="not_found", params={"id": 4})) == expected
