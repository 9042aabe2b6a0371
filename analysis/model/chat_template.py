"""Chat templates of checkpoints: rendered in a process of their own, and checked for the prompt.

Some templates take a message's content as a text, others as a list of parts; which of them is found
by rendering: the user's text must appear in the result.
"""

import atexit
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from analysis.errors import ChatTemplateRefused, InvalidParams
from analysis.model.template_process import RENDER_SECONDS

PROBE = "Qzx7wvkj"  # a text that no template contains, as a short prompt may be
Content = Callable[[str], Any]
# The day that templates take for today; a run records it, so that it can be repeated.
today: ContextVar[date | None] = ContextVar("today", default=None)


def day() -> date:
    """What templates take for today: that of the run, or the calendar's."""
    return today.get() or date.today()


def as_text(text: str) -> str:
    return text


def as_parts(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}]


def after_picture(text: str) -> list[dict[str, str]]:
    return [{"type": "image"}, {"type": "text", "text": text}]


def template_of(owner: Any) -> str | None:
    """The template of a tokenizer or processor; the one named default, where there are several."""
    found = getattr(owner, "chat_template", None)
    return found.get("default") if isinstance(found, dict) else found


def uses_date(template: str) -> bool:
    return "strftime_now" in template


def render(owner: Any, texts: list[str], *contents: Content, remedy: str) -> list[str]:
    """A chat of one message of the user for each text; the first text must appear unchanged.

    `contents`: forms of a message's content, of which the first that the template takes is used.
    Raises ChatTemplateRefused, InvalidParams (there is no template).
    """
    template = template_of(owner)
    if not template:
        raise InvalidParams(
            "This model's tokenizer has no chat template.",
            remedy="Set chat to false.",
            field="chat",
        )
    tokenizer = getattr(owner, "tokenizer", owner)
    why = ""
    for content in contents:
        chats = [[{"role": "user", "content": content(text)}] for text in (*texts, PROBE)]
        answer = process().ask(template, chats, dict(tokenizer.special_tokens_map))
        if "texts" not in answer:
            why = why or f"fails: {answer['error']}"
        elif _is_right(answer["texts"], texts[0]):
            return list(answer["texts"][:-1])
        else:
            why = "leaves the prompt out"
        if answer.get("ended"):
            break
    raise ChatTemplateRefused(
        f"The chat template of this model's tokenizer {why}.", remedy=remedy, field="chat"
    )


def _is_right(rendered: list[str], text: str) -> bool:
    """Whether the rendered text contains text and probe, not as parts written out."""
    probe = rendered[-1]
    written_out = any(f"{quote}type{quote}: {quote}text" in probe for quote in "'\"")
    return _holds(rendered[0], text) and _holds(probe, PROBE) and not written_out


def _holds(rendered: str, text: str) -> bool:
    """Whether the rendered text contains a text, up to spaces."""
    return "".join(text.split()) in "".join(rendered.split())


class TemplateProcess:
    """The process of `analysis.model.template_process`; started when it is first needed, and again
    when it ended at its limits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def ask(self, template: str, chats: list[Any], variables: dict[str, Any]) -> dict[str, Any]:
        """`texts` of the chats, or the `error`; `ended`: the process came to its limits."""
        day = today.get() or date.today()
        asked = {"template": template, "chats": chats, "variables": variables, "today": str(day)}
        with self._lock:
            line = self._exchange(json.dumps(asked, default=str))
        if not line:
            why = f"it takes longer than {RENDER_SECONDS} seconds, or too much memory"
            return {"error": why, "ended": True}
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _exchange(self, line: str) -> str:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self.close()
        return answer

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            file = Path(__file__).with_name("template_process.py")
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        return self._process


@cache
def process() -> TemplateProcess:
    """This process's own."""
    template_process = TemplateProcess()
    atexit.register(template_process.close)
    return template_process
