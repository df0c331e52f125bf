"""What routing reads of a chat request: above all, whether it may leave without being taken apart."""

import pytest

from edge.relay.routes import find_place
from edge.relay.wanted import read_wanted


@pytest.mark.parametrize(
    ("members", "bare"),
    [
        pytest.param(b"", True, id="nothing else"),
        pytest.param(b',"stream":false', True, id="no stream, in words"),
        pytest.param(b',"stream":null', True, id="no stream, by null"),
        pytest.param(b',"max_tokens":5,"tools":[],"group2":"x"', True, id="members that stay"),
        pytest.param(b',"stream":true', False, id="a stream"),
        pytest.param(b',"stream_options":{"include_usage":true}', False, id="options of a stream"),
        pytest.param(b',"stream_options":null', False, id="empty options are taken out as well"),
        pytest.param(
            b',"stream":true,"stream_options":{"include_usage":true}', True, id="a stream that asks for usage itself"
        ),
        pytest.param(
            b',"stream":true,"stream_options":{"include_usage":1}', False, id="a stream that asks in other words"
        ),
        pytest.param(b',"stream":true', False, id="a stream that does not ask"),
        pytest.param(b',"group":"vip"', False, id="the playground's member"),
        pytest.param(b',"group":null', False, id="the same, empty"),
    ],
)
def test_a_bare_request_has_nothing_that_is_edited_on_the_way(members: bytes, bare: bool):
    place = find_place("/v1/chat/completions")
    assert place is not None
    wanted = read_wanted(place, b'{"model":"m","messages":[]%b}' % members, {})
    assert (wanted.model, wanted.bare) == ("m", bare)
