import contextlib
import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.dialects import audio, multipart
from schema.dialects.errors import DialectError

BOUNDARY = b"xYzZY"
TYPE = 'multipart/form-data; boundary="xYzZY"'


def form(*fields: tuple[str, bytes, str | None]) -> bytes:
    out = b""
    for name, value, filename in fields:
        disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename else "")
        out += b"--" + BOUNDARY + b"\r\nContent-Disposition: " + disposition.encode() + b"\r\n"
        out += (b"Content-Type: audio/wav\r\n" if filename else b"") + b"\r\n" + value + b"\r\n"
    return out + b"--" + BOUNDARY + b"--\r\n"


def wav(seconds: float) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * int(8000 * seconds))
    return out.getvalue()


FILE = wav(1.5)
FORM = form(("file", FILE, "a.wav"), ("model", b"whisper-1", None), ("timestamp_granularities[]", b"word", None))


def test_the_form_is_read_and_only_model_is_replaced():
    request = audio.read_transcription_request(FORM, TYPE)
    assert request.model == "whisper-1" and request.file.filename == "a.wav"
    assert FORM[request.file.start : request.file.end] == FILE
    sent = b"".join(multipart.replace_fields(FORM, request.parts, {"model": "whisper-large"}, BOUNDARY))
    assert sent == FORM.replace(b"whisper-1", b"whisper-large")


def test_a_missing_field_is_put_in_front():
    parts = multipart.read_parts(FORM, BOUNDARY)
    sent = b"".join(multipart.replace_fields(FORM, parts, {"stream": "true"}, BOUNDARY))
    assert multipart.field(sent, multipart.read_parts(sent, BOUNDARY), "stream") == "true"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        pytest.param(form(("file", FILE, "a.wav")), TYPE, id="no model"),
        pytest.param(form(("model", b"m", None)), TYPE, id="no file"),
        pytest.param(FORM[:-30], TYPE, id="cut off"),
        pytest.param(b"", TYPE, id="empty"),
        pytest.param(FORM, "application/json", id="no form at all"),
        pytest.param(FORM, 'multipart/form-data; boundary="other"', id="another boundary"),
    ],
)
def test_broken_forms_are_refused(body, kind):
    with pytest.raises(DialectError):
        audio.read_transcription_request(body, kind)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_refused(body):
    with contextlib.suppress(DialectError):
        multipart.read_parts(body, BOUNDARY)


@given(st.binary(max_size=300).filter(lambda value: b"--" + BOUNDARY not in value))
def test_content_survives_whatever_it_is(content):
    body = form(("file", content, "a.bin"), ("model", b"m", None))
    parts = multipart.read_parts(body, BOUNDARY)
    assert body[parts[0].start : parts[0].end] == content and len(parts) == 2


def test_durations():
    assert audio.read_duration(FILE) == audio.Duration(1.5)
    assert audio.read_duration(FILE).prompt_tokens == 33  # 2 whole seconds of 1 000 tokens a minute
    assert audio.read_duration(b"\0" * 32_000) == audio.Duration(2.0, estimated=True)
    assert audio.read_duration(b"") == audio.Duration(0.0, estimated=True)


def test_webm_duration_in_milliseconds():
    info = b"\x2a\xd7\xb1\x83\x0f\x42\x40" + b"\x44\x89\x88" + struct.pack(">d", 2500.0)
    assert audio.read_duration(b"\x1a\x45\xdf\xa3" + b"\0" * 20 + info) == audio.Duration(2.5)


@given(st.binary(max_size=400))
def test_any_bytes_have_a_duration(recording):
    for head in (b"", b"RIFF\0\0\0\0WAVE", b"\x1a\x45\xdf\xa3", b"ID3", b"OggS", b"fLaC"):
        assert audio.read_duration(head + recording).seconds >= 0


def test_speech():
    request = audio.read_speech_request(b'{"model":"tts-1","input":"hi","voice":"alloy","speed":1.5}')
    assert (request.response_format, request.speed) == ("mp3", 1.5)
    with pytest.raises(DialectError):
        audio.read_speech_request(b'{"model":"tts-1","input":""}')
    assert audio.edit_speech_request(b'{"model":"a","input":"x","y":1.0}', "b") == b'{"model":"b","input":"x","y":1.0}'


def test_transcripts():
    assert audio.write_transcription("hi", response_format="text") == (b"hi\n", "text/plain; charset=utf-8")
    assert audio.text_of_transcription(b'{"text":"hi","usage":{}}') == "hi"
    assert audio.text_of_transcription(b"plain") == "plain"
