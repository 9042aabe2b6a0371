"""The word list: each use is reported with its line, records and generated files are not read."""

import pytest

from words import __main__ as words

RULES = words.parse_rules(
    """
# a comment
hangs? on => depends on
reckons? => calculates
"""
)


def uses(text: str) -> list[str]:
    return list(words.find_uses("docs/page.md", text, RULES))


def test_a_listed_word_is_reported_with_its_line_and_its_replacement() -> None:
    assert uses("An answer\nhangs on a word.\n\nIt Reckons.\n") == [
        'docs/page.md:2: "hangs on": write "depends on"',
        'docs/page.md:4: "Reckons": write "calculates"',
    ]


@pytest.mark.parametrize("gap", ["\n", "\n    ", "\n# ", "\n    # ", "\n// ", "\n * "])
def test_a_line_break_inside_a_phrase_hides_nothing(gap: str) -> None:
    assert len(uses(f"# what it hangs{gap}on")) == 1


@pytest.mark.parametrize("text", ["hangs only", "changes on", "reckonable", "hangs_on", "reckon_1"])
def test_parts_of_words_and_names_are_not_reported(text: str) -> None:
    assert uses(text) == []


def test_a_line_without_a_replacement_is_refused() -> None:
    with pytest.raises(ValueError, match="hangs on"):
        words.parse_rules("hangs on\n")


@pytest.mark.parametrize(
    "name",
    [
        "docs/decisions/0010-the-database-is-the-truth.md",
        "frontend/src/gen/reagent.ts",
        "workbench/gen/openapi.json",
        "frontend/tests/fixtures/run.ts",
        "tests/stored/README.md",
        "workbench/runs/migrations/0001_initial.py",
        "words/list.txt",
    ],
)
def test_records_and_generated_files_are_not_read(name: str) -> None:
    assert not words.is_checked(name)


@pytest.mark.parametrize(
    "name", ["README.md", "docs/trace.md", ".env.example", "analysis/runner.py"]
)
def test_documents_and_code_are_read(name: str) -> None:
    assert words.is_checked(name)


def test_the_project_uses_no_listed_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert words.main() == 0, capsys.readouterr().out
