"""Texts in Markdown and CSV have no effect, whatever they contain."""

import csv
import io
import re

import pytest
from markdown_it import MarkdownIt

from workbench.reports.tables import csv_cell, to_csv
from workbench.reports.text import LONGEST, markdown_safe, quoted

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "[click](javascript:alert(1))",
    "[click](&#106;avascript:alert(1))",
    "[click](\njavascript:alert(1))",
    "[click](<javascript:alert(1)>)",
    "> [a]: javascript:alert(1)\n\n[a]",
    "[a]:\n  data:text/html,x\n\n[a]",
    "![](https://example.org/track.png)",
    "<javascript:alert(1)>",
    "```\ncode\n     ```\n<script>alert(1)</script>\n```",
    "```\ncode\n``````\n<script>alert(1)</script>",
    "~~~\n```\n~~~~\n<script>alert(1)</script>",
    "``` x ` <script>alert(1)</script>\n<b>",
    "    <script>alert(1)</script>",
    "- a\n\n  ```\n<script>alert(1)</script>\n  ```",
    "a `code <script>` b",
]
RENDERERS = [MarkdownIt("commonmark"), MarkdownIt("gfm-like", {"linkify": False})]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("renderer", RENDERERS)
def test_no_markdown_of_a_user_becomes_html_or_a_link_to_a_program(
    text: str, renderer: MarkdownIt
) -> None:
    for shown in (renderer.render(markdown_safe(text)), renderer.render(quoted(text))):
        assert "<script" not in shown
        assert "<img" not in shown
        assert "<svg" not in shown
        assert 'href="javascript' not in shown
        assert 'href="data' not in shown


def test_the_renderers_of_this_test_would_run_a_script() -> None:
    assert all("<script>" in renderer.render(HOSTILE[0]) for renderer in RENDERERS)


def test_the_markdown_of_a_user_stays_markdown() -> None:
    text = "# A\n\n**bold** [paper](https://arxiv.org/abs/1)\n\n```python\nif a < b:\n    pass\n```"
    assert markdown_safe(text) == text


def test_a_block_left_open_takes_in_nothing_after_it() -> None:
    assert markdown_safe("```\ncode").endswith("\n```")


MATHEMATICS = (
    r"\$\$.*?\$\$|\\begin\{.*?\\end\{\w+\}|\\\[.*?\\\]",  # over empty lines too, as VS Code
    r"\$(?:(?!\n\s*\n).)*?\$",  # within a paragraph, as Jupyter
)


@pytest.mark.parametrize("opened", ["$$", "\\begin{a}", "\\[", "$", "It costs $5", "$$ $$ $$"])
@pytest.mark.parametrize("closed", ["$$", "\\end{a}", "\\]", "$", "$ $"])
@pytest.mark.parametrize("between", ["\n", "\n\n", "\n \n"])
@pytest.mark.parametrize("mathematics", MATHEMATICS)
def test_a_notebook_that_takes_mathematics_out_first_shows_no_html(
    opened: str, closed: str, between: str, mathematics: str
) -> None:
    image = "<img src=http://evil.example/x>"
    text = f"{opened}{between}```\n{closed}{between}{image}\n![a](http://evil.example/y)\n```"
    left = re.sub(mathematics, "@@", markdown_safe(text), flags=re.DOTALL)
    shown = RENDERERS[0].render(left)
    assert "<img" not in shown


def test_code_is_unchanged_next_to_inline_mathematics() -> None:
    text = "Where $x < y$ or $5:\n\n```\nif a < b: pass  # $HOME\n```"
    assert "\nif a < b: pass  # $HOME\n" in markdown_safe(text)
    assert markdown_safe("a\n```\nb\n```") == "a\n\n```\nb\n```"


def test_a_quoted_text_is_one_line_in_which_nothing_acts() -> None:
    shown = RENDERERS[0].render(quoted("*a* | _b_\n# c `d` [e](f) \u202e\0"))
    assert shown == "<p>*a* | _b_⏎# c `d` [e](f) ‹U+202E›‹U+0000›</p>\n"


def test_a_long_text_is_cut_and_says_so() -> None:
    assert quoted("x" * 1_000_000).startswith("x" * LONGEST + "… (1,000,000 characters)")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_no_cell_is_a_formula(text: str) -> None:
    (row,) = csv.reader(io.StringIO(to_csv([[text, "next"]]), newline=""))
    assert row == [f"'{text}", "next"]


@pytest.mark.parametrize("text", ['say "a, b"', " padded ", "two\nlines", "עברית", "plain"])
def test_a_cell_comes_back_as_it_was(text: str) -> None:
    (row,) = csv.reader(io.StringIO(to_csv([[text]]), newline=""))
    assert row == [text]


def test_numbers_are_no_texts() -> None:
    assert [csv_cell(value) for value in (-1, 0.1, True, None)] == ["-1", "0.1", "true", ""]
