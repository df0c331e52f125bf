"""The playground: what is asked goes out as it was set, what comes back can be asked again, edited, and seen as it was on the wire."""

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import serious_violations
from tests.browser.browser import Visit, visiting
from tests.browser.gateway import Gateway
from tests.browser.seed import PASSWORD, USER

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]
PATH = "/console/playground"
BOTH = ["gpt-4o", "deepseek-chat"]
FIGURES = re.compile("120 in, 40 out")


@contextmanager
def playing(browser: Browser, site: Gateway, *models: str, **parameters: object) -> Iterator[Visit]:
    """The playground with these models and parameters chosen; at the end nothing may have gone wrong on the page."""
    with visiting(browser, site.address, USER, PASSWORD) as visit:
        for name, value in (("models", list(models)), ("parameters", parameters)):
            visit.context.add_init_script(
                f"localStorage.setItem('medusa.playground.{name}', {json.dumps(json.dumps(value))})"
            )
        visit.go(PATH)
        yield visit
        assert visit.take_troubles() == []


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def answer_of(page: Page, model: str) -> Any:
    return page.get_by_role("article", name=f"Answer of {model}")


def sent_by(page: Page, text: str) -> dict[str, Any]:
    """Ask, and return the body of the request."""
    with page.expect_request("**/pg/chat/completions") as held:
        ask(page, text)
    body: dict[str, Any] = held.value.post_data_json
    return body


def test_an_answer_comes_with_its_figures_and_its_cost(browser: Browser, site: Gateway) -> None:
    with playing(browser, site, "gpt-4o") as visit:
        page = visit.page
        ask(page, "Who are you?")
        expect(page.locator("strong", has_text="answers")).to_be_visible()  # bold in the Markdown
        expect(answer_of(page, "gpt-4o").get_by_text(FIGURES)).to_be_visible()
        expect(answer_of(page, "gpt-4o").get_by_text(re.compile(r"cost \$0\.00\d+"))).to_be_visible()
        assert serious_violations(page) == []


def test_models_side_by_side_each_see_their_own_conversation(browser: Browser, site: Gateway) -> None:
    with playing(browser, site, *BOTH) as visit:
        page = visit.page
        ask(page, "One?")
        for model in BOTH:
            expect(answer_of(page, model).get_by_text(FIGURES)).to_be_visible()
        left, right = (answer_of(page, model).bounding_box() for model in BOTH)
        assert left is not None and right is not None and left["y"] == right["y"] and left["x"] < right["x"]
        body = sent_by(page, "Two?")
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
        expect(page.get_by_text(FIGURES)).to_have_count(4)


def test_answer_again_edit_and_delete(browser: Browser, site: Gateway) -> None:
    with playing(browser, site, "gpt-4o") as visit:
        page = visit.page
        ask(page, "First question")
        expect(page.get_by_text(FIGURES)).to_be_visible()
        with page.expect_request("**/pg/chat/completions") as again:
            page.get_by_role("button", name="Answer of gpt-4o again").click()
        assert [message["content"] for message in again.value.post_data_json["messages"]] == ["First question"]
        expect(page.get_by_text(FIGURES)).to_be_visible()
        ask(page, "Second question")
        expect(page.get_by_text(FIGURES)).to_have_count(2)

        page.get_by_role("button", name="Edit message").first.click()
        page.get_by_role("textbox", name="Edit message").fill("Another question")
        with page.expect_request("**/pg/chat/completions") as edited:
            page.get_by_role("button", name="Send again").click()
        assert [message["content"] for message in edited.value.post_data_json["messages"]] == ["Another question"]
        expect(page.get_by_text("Second question")).to_have_count(0)
        expect(page.get_by_text(FIGURES)).to_have_count(1)

        page.get_by_role("button", name="Delete message and answers").click()
        expect(page.get_by_text("Another question")).to_have_count(0)


def test_parameters_are_sent_and_unset_ones_are_not(browser: Browser, site: Gateway) -> None:
    with playing(browser, site, "gpt-4o") as visit:
        page = visit.page
        body = sent_by(page, "Plain")
        assert sorted(body) == ["messages", "model", "stream", "stream_options"]
        expect(page.get_by_text(FIGURES)).to_be_visible()
        page.get_by_label("Temperature").fill("0.3")
        page.get_by_label("Seed").fill("7")
        page.get_by_label("System prompt").fill("Answer in JSON")
        page.get_by_role("radiogroup", name="Answer as").get_by_text("JSON", exact=True).click()
        body = sent_by(page, "As JSON")
        assert (body["temperature"], body["seed"], body["response_format"]) == (0.3, 7, {"type": "json_object"})
        assert body["messages"][0] == {"role": "system", "content": "Answer in JSON"}
        expect(page.get_by_text(FIGURES)).to_have_count(2)


def test_a_picture_is_shown_and_sent(browser: Browser, site: Gateway) -> None:
    with playing(browser, site, "gpt-4o") as visit:
        page = visit.page
        picture = BytesIO()
        Image.new("RGB", (8, 8), "purple").save(picture, "PNG")
        page.locator("input[type=file]").set_input_files(
            {"name": "square.png", "mimeType": "image/png", "buffer": picture.getvalue()}
        )
        expect(page.get_by_role("img", name="square.png")).to_be_visible()
        body = sent_by(page, "What is this?")
        data = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
        assert body["messages"][-1]["content"] == [
            {"type": "image_url", "image_url": {"url": data}},
            {"type": "text", "text": "What is this?"},
        ]
        expect(page.get_by_text(FIGURES)).to_be_visible()


def test_raw_view_and_code_show_what_is_sent(browser: Browser, site: Gateway) -> None:
    with playing(browser, site, "gpt-4o", temperature=0.5) as visit:
        page = visit.page
        ask(page, "Who are you?")
        expect(page.get_by_text(FIGURES)).to_be_visible()
        page.get_by_role("button", name="Raw request and response of gpt-4o").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text('"temperature": 0.5')).to_be_visible()
        dialog.get_by_role("tab", name=re.compile("Response")).click()
        expect(dialog.get_by_text("data: [DONE]")).to_be_visible()
        page.keyboard.press("Escape")
        page.get_by_role("button", name="As code").click()
        page.get_by_role("dialog").get_by_role("tab", name="Python").click()
        expect(page.get_by_role("dialog").get_by_text("temperature=0.5")).to_be_visible()


def test_a_conversation_stays_in_the_browser_until_it_is_deleted(browser: Browser, site: Gateway) -> None:
    with playing(browser, site, "gpt-4o") as visit:
        page = visit.page
        ask(page, "Remember me")
        expect(page.get_by_text(FIGURES)).to_be_visible()
        page = visit.go(PATH)
        expect(page.get_by_text("Remember me")).to_be_visible()
        page.get_by_role("button", name="Conversations").click()
        page.get_by_role("menuitem", name="Delete this conversation").click()
        expect(page.get_by_text("Ask something below")).to_be_visible()
        visit.go(PATH)
        expect(page.get_by_text("Remember me")).to_have_count(0)


def test_a_failure_says_what_helps(browser: Browser, site: Gateway) -> None:
    with playing(browser, site, "no-such-model") as visit:
        page = visit.page
        visit.expected = {400, 403, 404, 503}
        ask(page, "Anybody there?")
        expect(page.get_by_role("alert")).to_contain_text("choose another model or group")


def test_in_chinese_on_a_phone(browser: Browser, site: Gateway) -> None:
    with visiting(browser, site.address, USER, PASSWORD, phone=True, language="zh-CN", dark=True) as visit:
        visit.context.add_init_script("localStorage.setItem('medusa.playground.models', '[\"gpt-4o\"]')")
        page = visit.go(PATH)
        page.get_by_label("消息", exact=True).fill("你是谁?")
        page.keyboard.press("Enter")
        expect(page.get_by_text("输入 120,输出 40")).to_be_visible()
        page.get_by_role("button", name="模型与参数").click()
        expect(page.get_by_role("dialog").get_by_label("温度")).to_be_visible()
        page.keyboard.press("Escape")
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        assert serious_violations(page) == []
        assert visit.take_troubles() == []
