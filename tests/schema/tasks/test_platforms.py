"""What goes to the providers of tasks and what their answers mean; the defects of the predecessor's parsing are absent."""

import json

import pytest

from schema.tasks.midjourney import read_custom_id, read_mode, read_simple_change
from schema.tasks.platform import Accepted, Declined, Settings, TaskRefused, TaskView, stored_request
from schema.tasks.registry import PLATFORMS

MJ, SUNO, VIDEO = PLATFORMS["mj"], PLATFORMS["suno"], PLATFORMS["video"]
IMAGINE = MJ.read_submit("submit/imagine", {"prompt": "a cat --fast"})


@pytest.mark.parametrize(("button", "expected"), [
    ("MJ::JOB::upsample::2::x", ("UPSCALE", 2)), ("MJ::JOB::variation::3::x", ("VARIATION", 3)),
    ("MJ::JOB::low_variation::1::x::SOLO", ("LOW_VARIATION", 1)), ("MJ::JOB::pan_left::1::x", ("PAN", 1)),
    ("MJ::JOB::high_variation::1::x::SOLO", ("HIGH_VARIATION", 1)), ("MJ::JOB::reroll::0::x::SOLO", ("REROLL", 1)),
    ("MJ::Outpaint::50::1::x::SOLO", ("ZOOM", 1)), ("MJ::CustomZoom::x", ("CUSTOM_ZOOM", 1)),
    ("MJ::Inpaint::1::x::SOLO", ("INPAINT", 1)),
])  # fmt: skip
def test_buttons(button, expected):
    assert read_custom_id(button) == expected


@pytest.mark.parametrize(
    "button", ["", "MJ", "MJ::JOB", "MJ::JOB::upsample", "MJ::JOB::other_variation::1", "MJ::x::1"]
)
def test_buttons_that_are_refused_rather_than_crash(button):
    with pytest.raises(TaskRefused):
        read_custom_id(button)


def test_simple_change_names_task_action_and_index():  # D-7
    assert read_simple_change("abc u2") == ("abc", "UPSCALE", 2)
    assert read_simple_change("abc R") == ("abc", "REROLL", 0)
    submit = MJ.read_submit("submit/simple-change", {"content": "abc V4"})
    assert (submit.model, submit.origin_id, submit.needs_success) == ("mj_variation", "abc", True)
    for bad in ("abc", "abc u5", "abc  u1", "abc u1 x"):
        with pytest.raises(TaskRefused, match="content_parse_failed"):
            read_simple_change(bad)


@pytest.mark.parametrize(("path", "body", "code"), [
    ("submit/imagine", {}, "prompt_is_required"), ("submit/change", {"taskId": "1"}, "action_is_required"),
    ("submit/change", {"taskId": "1", "action": "UPSCALE"}, "index_is_required"),
    ("submit/change", {"action": "REROLL"}, "task_not_found"),  # D-21: no origin, no skipped check
    ("submit/action", {"taskId": "1"}, "custom_id_is_required"), ("submit/simple-change", {}, "content_is_required"),
    ("insight-face/swap", {"sourceBase64": "x"}, "sour_base64_and_target_base64_is_required"),
])  # fmt: skip
def test_requests_that_are_refused(path, body, code):
    with pytest.raises(TaskRefused) as refused:
        MJ.read_submit(path, body)
    assert refused.value.code == code


def test_reroll_needs_no_index():  # D-21
    assert MJ.read_submit("submit/change", {"taskId": "1", "action": "REROLL"}).model == "mj_reroll"


def test_upload_is_routed_by_the_name_that_is_offered():  # D-20
    assert MJ.read_submit("submit/upload-discord-images", {"base64Array": []}).model == "mj_upload"


def test_speed_prices_first_and_travels_only_where_the_channel_says():
    submit = MJ.read_submit("submit/imagine", {"prompt": "x"}, read_mode("mj-turbo"))
    assert submit.price_models == ("mj_turbo_imagine", "mj_imagine") and submit.model == "mj_imagine"
    assert MJ.write_submit(submit, "https://p/", "k", Settings()).url == "https://p/mj/submit/imagine"
    assert (
        MJ.write_submit(submit, "https://p", "k", Settings(pass_mode=True)).url
        == "https://p/mj-turbo/mj/submit/imagine"
    )


def test_filters_of_the_body_and_the_key_in_its_own_header():
    submit = MJ.read_submit(
        "submit/imagine", {"prompt": "a --turbo", "notifyHook": "h", "accountFilter": {}, "state": "s"}
    )
    sent = MJ.write_submit(submit, "https://p", "secret", Settings(clear_modes=True))
    assert json.loads(sent.body) == {"prompt": "a ", "state": "s"}
    assert ("mj-api-secret", "secret") in sent.headers and "Authorization" not in dict(sent.headers)


def test_no_base_url_means_no_call():  # D-25
    with pytest.raises(TaskRefused):
        MJ.write_submit(IMAGINE, " ", "k", Settings())


@pytest.mark.parametrize(("code", "taken"), [(1, True), (21, True), (22, True), (3, False), (4, False), (9, False), (23, False), (24, False)])  # fmt: skip
def test_submit_codes(code, taken):  # D-3: what is not taken is not charged, even with an id
    answer = MJ.read_submit_answer(IMAGINE, 200, b'{"code": %d, "description": "d", "result": "17"}' % code)
    assert isinstance(answer, Accepted) is taken
    assert json.loads(answer.body)["code"] == (1 if taken else code)
    assert isinstance(answer, Accepted) or answer.disable_channel is (code == 3)


def test_code_21_stays_for_a_button_that_opens_a_dialog():
    submit = MJ.read_submit("submit/action", {"taskId": "1", "customId": "MJ::Inpaint::1::x::SOLO"})
    assert submit.free
    answer = MJ.read_submit_answer(submit, 200, b'{"code": 21,"result":"17","properties":{"status":"MODAL"}}')
    assert json.loads(answer.body)["code"] == 21 and answer.reading.status == "MODAL"


def test_answers_without_id_or_form_are_declined_and_an_upload_needs_none():
    for body in (b'{"code":1}', b"", b"<html>", b"[]"):
        assert isinstance(MJ.read_submit_answer(IMAGINE, 200, body), Declined)
    upload = MJ.read_submit("submit/upload-discord-images", {"base64Array": []})
    done = MJ.read_submit_answer(upload, 200, b'{"code":1,"result":["https://u"]}')
    assert done.reading.status == "SUCCESS" and done.upstream_id == ""


def test_polls_survive_strange_items():  # D-9
    assert MJ.read_poll(b'[null, {}, {"id":"7","status":"CANCEL","progress":"x"}]')[0].status == "CANCELLED"
    with pytest.raises(ValueError):
        MJ.read_poll(b'{"code":5}')
    assert SUNO.read_poll(b'{"code":"success","data":null}') == []


def test_suno_keeps_unknown_fields_and_stores_the_action():  # D-18
    submit = SUNO.read_submit("submit/music", {"prompt": "la", "future": 1})
    assert submit.action == "MUSIC" and submit.body["future"] == 1 and submit.body["mv"] == "chirp-v3-0"
    with pytest.raises(TaskRefused, match="prompt_empty"):
        SUNO.read_submit("submit/lyrics", {})
    assert SUNO.read_submit_answer(submit, 200, b'{"code":"success","data":"t1"}').upstream_id == "t1"
    assert SUNO.read_submit_answer(submit, 429, b'{"code":"busy","message":"m"}').status == 429


def test_seconds_of_suno_are_milliseconds_here_and_seconds_again_there():  # D-24
    read = SUNO.read_poll(
        b'{"code":"success","data":[{"task_id":"t","status":"SUCCESS","finish_time":100,"data":[1]}]}'
    )[0]
    assert read.finish_ms == 100_000
    view = TaskView(
        upstream_id="t", action="MUSIC", status="SUCCESS", progress=100, submit_ms=90_000, finish_ms=100_000
    )
    assert SUNO.write_task(view)["finish_time"] == 100


def test_videos():
    submit = VIDEO.read_submit("", {"model": "sora-2", "prompt": "p"})
    taken = VIDEO.read_submit_answer(submit, 200, b'{"id":"video_1","status":"queued","progress":0}')
    assert taken.upstream_id == "video_1" and taken.reading.status == "QUEUED"
    assert VIDEO.write_poll("https://p", "k", ["video_1"]).url == "https://p/v1/videos/video_1"
    with pytest.raises(TaskRefused):
        VIDEO.write_poll("https://p", "k", ["../models"])
    failed = VIDEO.read_poll(b'{"id":"video_1","status":"failed","error":{"message":"no"}}')[0]
    assert (failed.status, failed.fail_reason) == ("FAILURE", "no")


def test_stored_requests_hold_no_pictures():
    assert stored_request({"base64": "AAAA", "prompt": "x", "image": "data:AAAA"}) == {
        "base64": "[removed]", "prompt": "x", "image": "[removed]"}  # fmt: skip
