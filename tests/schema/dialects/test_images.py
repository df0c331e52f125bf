import json

import pytest
from openai.types import ImagesResponse

from schema.dialects import images
from schema.dialects.errors import BadAnswer, DialectError
from schema.usage import TokenUsage


def read(**members):
    return images.read_request(json.dumps({"model": "gpt-image-1", "prompt": "a cat"} | members).encode())


def test_defaults():
    request = read(n=0, background="transparent")
    assert (request.n, request.size, request.extra) == (1, "1024x1024", {"background": "transparent"})
    assert read(model="dall-e-3").quality == "standard"
    assert images.read_request(b'{"prompt":"x"}').model == "dall-e-2"


@pytest.mark.parametrize(
    "wrong",
    [
        {"prompt": ""},
        {"size": "1024×1024"},
        {"model": "dall-e-2", "size": "1792x1024"},
        {"model": "dall-e-3", "size": "512x512"},
        {"n": -1},
        {"n": 10**9},
    ],
)
def test_bad_requests_are_refused(wrong):
    with pytest.raises(DialectError):
        read(**wrong)


def test_imagen():
    body = json.loads(images.write_imagen_request(read(n=2, size="1792x1024")))
    assert body == {
        "instances": [{"prompt": "a cat"}],
        "parameters": {"sampleCount": 2, "aspectRatio": "16:9", "personGeneration": "allow_adult"},
    }
    wire = {"predictions": [{"raiFilteredReason": "no"}, {"bytesBase64Encoded": "aGk=", "mimeType": "image/png"}]}
    answer = images.read_imagen_answer(json.dumps(wire).encode())
    assert answer.pictures == (images.Picture(data="aGk="),)
    with pytest.raises(BadAnswer) as none:
        images.read_imagen_answer(b'{"predictions":[{"raiFilteredReason":"no"}]}')
    assert none.value.error.status == 400 and none.value.error.code == "no_images"


def test_gemini_image_models_answer_through_generate_content():
    part = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    wire = {"candidates": [{"content": {"parts": [{"text": "Here"}, part]}, "finishReason": "STOP"}]}
    assert images.read_gemini_answer(json.dumps(wire).encode()).pictures == (images.Picture(data="aGk="),)


def test_xai_gets_neither_size_nor_quality_nor_style():
    assert json.loads(images.write_xai_request(read(quality="hd", style="vivid"), "grok-2-image")) == {
        "model": "grok-2-image",
        "prompt": "a cat",
        "n": 1,
    }


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"task_id": "t", "task_status": "PENDING"}, images.AliTask("t")),
        (
            {"task_id": "t", "task_status": "SUCCEEDED", "results": [{"url": "https://x/a.png"}, {"code": "bad"}]},
            images.AliTask("t", True, (images.Picture("https://x/a.png"),)),
        ),
        ({"task_id": "t", "task_status": "FAILED", "message": "no"}, images.AliTask("t", True, failure="no")),
    ],
)
def test_ali_tasks(output, expected):
    assert images.read_ali_task(json.dumps({"output": output}).encode()) == expected


def test_ali_refusals_are_errors():
    with pytest.raises(BadAnswer):
        images.read_ali_task(b'{"code":"InvalidApiKey","message":"no","request_id":"r"}')


def test_written_answers_and_usage():
    usage = {"input_tokens": 50, "output_tokens": 4160, "input_tokens_details": {"image_tokens": 40, "text_tokens": 10}}
    wire = {"created": 5, "data": [{"b64_json": "aGk="}], "usage": usage}
    answer = images.read_openai_answer(json.dumps(wire).encode())
    assert answer.usage == TokenUsage(input_text=10, input_image=40, output_text=4160)
    assert images.count_of_answer(json.dumps(wire).encode()) == 1
    body = json.loads(images.write_answer(answer, created_s=9))
    assert body["data"] == [{"url": "", "b64_json": "aGk=", "revised_prompt": ""}] and body["created"] == 5
    ImagesResponse.model_validate(body)


def form(*fields: tuple[str, str, bool]) -> bytes:
    out = ""
    for name, value, is_file in fields:
        filename = '; filename="a.png"' if is_file else ""
        out += f'--b\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n{value}\r\n'
    return (out + "--b--\r\n").encode()


def test_edits_and_variations_are_forms():
    body = form(("image[]", "x", True), ("model", "gpt-image-1", False), ("prompt", "a hat", False), ("n", "3", False))
    request, parts = images.read_form_request(body, "multipart/form-data; boundary=b")
    assert (request.model, request.prompt, request.n, len(parts)) == ("gpt-image-1", "a hat", 3, 4)
    for wrong in (form(("model", "m", False)), form(("image", "x", True), ("n", "many", False))):
        with pytest.raises(DialectError):
            images.read_form_request(wrong, "multipart/form-data; boundary=b")
