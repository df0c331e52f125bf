"""Sizes of pictures by their first bytes, and the tokens that follow from them."""

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.relay.prompt import count_prompt, media_rule
from edge.relay.routes import find_place
from edge.relay.wanted import read_wanted
from schema import counting
from schema.config import read_config
from schema.picture_size import size_of, size_of_base64


def png(width, height):
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack("!II", width, height) + b"\x08\x06\x00\x00\x00"


def jpeg(width, height):
    thumbnail = b"\xff\xe1" + struct.pack("!H", 4002) + b"x" * 4000
    return b"\xff\xd8" + thumbnail + b"\xff\xff\xc2\x00\x11\x08" + struct.pack("!HH", height, width) + b"\x03"


PICTURES = {
    "png": png(3000, 1000),
    "gif": b"GIF89a" + struct.pack("<HH", 3000, 1000) + b"\x00",
    "progressive jpeg behind a thumbnail": jpeg(3000, 1000),
    "lossy webp": b"RIFF\x00\x00\x00\x00WEBPVP8 " + b"\x00" * 10 + struct.pack("<HH", 3000, 1000),
    "lossless webp": b"RIFF\x00\x00\x00\x00WEBPVP8L\x00\x00\x00\x00\x2f" + struct.pack("<I", 2999 | 999 << 14),
    "extended webp": b"RIFF\x00\x00\x00\x00WEBPVP8X" + b"\x00" * 8 + (2999).to_bytes(3, "little") + (999).to_bytes(3, "little"),
}  # fmt: skip


@pytest.mark.parametrize("data", PICTURES.values(), ids=PICTURES)
def test_sizes(data):
    assert size_of(data) == (3000, 1000)
    assert size_of_base64(base64.b64encode(data).decode()) == (3000, 1000)
    for cut in range(len(data) - 1):
        assert size_of(data[:cut]) in (None, (3000, 1000))


@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"GIF89a", b"RIFF\x00\x00\x00\x00WEBPVP8X"]))
def test_garbage_has_no_size_and_raises_nothing(data, head):
    found = size_of(head + data)
    assert found is None or min(found) > 0


def body_of(place, url):
    if place.dialect == "openai":
        part = {"type": "image_url", "image_url": {"url": url}}
        return b'{"model":"gpt-4o","messages":[{"role":"user","content":[%b]}]}' % _json(part)
    source = {"type": "base64", "media_type": "image/png", "data": url.partition(",")[2]}
    if not url.startswith("data:"):
        source = {"type": "url", "url": url}
    part = {"type": "image", "source": source}
    return b'{"model":"gpt-4o","max_tokens":9,"messages":[{"role":"user","content":[%b]}]}' % _json(part)


def _json(value):
    import json

    return json.dumps(value).encode()


def _config(**environ):
    return read_config(environ)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize(
    ("environ", "stream", "picture", "tokens"),
    [
        pytest.param({}, True, png(512, 512), 255, id="one tile"),
        pytest.param({}, True, png(3000, 1000), 85 + 8 * 170, id="shrunk to 2048 x 683: eight tiles"),
        pytest.param({}, False, png(512, 512), 255, id="not streamed"),
        pytest.param({}, True, None, 255, id="by URL: not measured"),
        pytest.param({"GET_MEDIA_TOKEN": "false"}, True, png(3000, 1000), 255, id="GET_MEDIA_TOKEN off"),
        pytest.param(
            {"GET_MEDIA_TOKEN_NOT_STREAM": "false"}, False, png(3000, 1000), 255, id="GET_MEDIA_TOKEN_NOT_STREAM off"
        ),
        pytest.param(
            {"GET_MEDIA_TOKEN_NOT_STREAM": "false"}, True, png(3000, 1000), 85 + 8 * 170, id="which streams do not heed"
        ),
    ],
)
def test_pictures_in_prompts(path, environ, stream, picture, tokens):
    place = find_place(path)
    url = (
        "https://example.com/a.png"
        if picture is None
        else "data:image/png;base64," + base64.b64encode(picture).decode()
    )
    body = body_of(place, url)
    rule = media_rule(_config(**environ), "gpt-4o", stream=stream)
    counted = count_prompt(place, read_wanted(place, body, {}), body, media_tokens=rule)
    frame = counting.REPLY_TOKENS + counting.MESSAGE_TOKENS + counting.count_text("gpt-4o", "user")
    assert counted == frame + tokens
