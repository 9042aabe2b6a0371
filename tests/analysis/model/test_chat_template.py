"""Chat templates: the prompt is in what the model reads, whatever they do, or they are refused."""

import os
import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from analysis.errors import ChatTemplateRefused, GlassbenchError
from analysis.model.chat_template import TemplateProcess, after_picture, process, render, today
from analysis.model.template_process import LONGEST_TEXT
from analysis.text.tokenization import encode_prompt
from tests.tiny_models import byte_tokenizer

PARTS = (
    "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}] {% for c in m['content'] %}"
    "{% if c['type'] == 'text' %}{{ c['text'] }}{% endif %}{% endfor %} {% endfor %}[assistant]"
)
TEXTS = "{% for m in messages %}[{{ m.role }}] {{ m.content | trim }} {% endfor %}[assistant]"


def tokenizer(template: Any) -> PreTrainedTokenizerFast:
    made = byte_tokenizer()
    made.chat_template = template
    return made


def rendered(template: Any, text: str = "Tell me about a cat", **options: Any) -> str:
    made = tokenizer(template)
    return str(made.decode(encode_prompt(made, text, chat=True, **options).ids))


@pytest.mark.parametrize(
    ("template", "found"),
    [
        (TEXTS, "[user] Tell me about a cat [assistant]"),
        (PARTS, "<s>[user] Tell me about a cat [assistant]"),
        ("{{ messages[0]['content'][0]['text'] }}", "Tell me about a cat"),
        ("{{ 'A: ' + messages[0].content }}", "A: Tell me about a cat"),
        ({"default": TEXTS, "tool_use": "x"}, "[user] Tell me about a cat [assistant]"),
    ],
)
def test_the_prompt_is_in_as_the_template_takes_it(template: Any, found: str) -> None:
    assert rendered(template) == found


@pytest.mark.parametrize("template", [TEXTS, "{{ bos_token }}{{ messages[0].content }}"])
def test_the_ids_are_those_of_transformers(template: str) -> None:
    made = tokenizer(template)
    message = [{"role": "user", "content": "Where is the ball?"}]
    theirs = made.apply_chat_template(message, add_generation_prompt=True, return_dict=False)
    assert encode_prompt(made, "Where is the ball?", chat=True).ids == list(theirs)


@pytest.mark.parametrize(
    "template",
    ["[user] [assistant]", "{{ messages[0].text }}", "{{ '' }}", "{{ messages[0].content[:3] }}"],
)
@pytest.mark.parametrize("text", ["Tell me about a cat", "user", "a"])
def test_a_template_that_leaves_the_prompt_out_is_refused(template: str, text: str) -> None:
    with pytest.raises(ChatTemplateRefused, match="leaves the prompt out") as caught:
        rendered(template, text)
    assert caught.value.field == "chat"
    assert caught.value.remedy == "Set chat to false."


@pytest.mark.parametrize(
    ("template", "named"),
    [
        ("{{ raise_exception('no user may speak') }}", "no user may speak"),
        ("{{ messages[0].content + 1 }}", "TypeError"),
        ("{% for %}", "TemplateSyntaxError"),
        ("{{ 'a' * 10**10 }}", "memory"),
        ("{% for i in range(99999) %}{{ 'a' * 99999 }}{% endfor %}", "memory"),
        (f"{{{{ 'a' * {LONGEST_TEXT + 1} }}}}", "characters"),
    ],
)
def test_a_template_that_fails_or_takes_too_much_is_refused(template: str, named: str) -> None:
    with pytest.raises(ChatTemplateRefused, match=named):
        rendered(template)


def test_a_template_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    nested = "{% for a in range(99999) %}" * 3 + "{% endfor %}" * 3
    with pytest.raises(ChatTemplateRefused, match="longer than"):
        rendered(nested + "{{ messages[0].content }}")
    assert rendered(TEXTS)  # the next one is rendered by a process of its own


def test_a_picture_s_template_must_hold_the_question() -> None:
    assert render(tokenizer(PARTS), ["Where?"], after_picture, remedy="")[0].endswith(
        "[user] Where? [assistant]"
    )
    with pytest.raises(ChatTemplateRefused):
        render(tokenizer("<image>"), ["Where?"], after_picture, remedy="")


@pytest.fixture
def _on_a_day() -> Iterator[None]:
    before = today.set(date(2024, 7, 26))
    yield
    today.reset(before)


@pytest.mark.usefixtures("_on_a_day")
def test_the_day_of_a_template_is_that_of_the_run() -> None:
    text = rendered("Today: {{ strftime_now('%d %b %Y') }}\n{{ messages[0].content }}")
    assert text.startswith("Today: 26 Jul 2024\n")


def test_a_cheap_template_is_rendered_at_once() -> None:
    rendered(TEXTS)  # the process is there
    begun = time.monotonic()
    for _ in range(20):
        rendered(TEXTS)
    assert time.monotonic() - begun < 10


def test_the_process_ends_with_its_owner() -> None:
    own = TemplateProcess()
    assert "texts" in own.ask("x", [[{"role": "user", "content": "x"}]], {})
    assert own._process is not None
    pid = own._process.pid
    own.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_process_that_was_killed_is_started_again() -> None:
    rendered(TEXTS)
    running = process()._process
    assert running is not None
    running.kill()
    running.wait()
    assert rendered(TEXTS)


def test_refusals_are_typed() -> None:
    assert issubclass(ChatTemplateRefused, GlassbenchError)
