"""Which scripts count as the first page's."""

from pathlib import Path

from bench.page import scripts


def test_static_imports_count_and_later_ones_do_not(tmp_path: Path) -> None:
    (tmp_path / "a-1.js").write_text('import{x}from"./b-2.js";import"./c-3.js";import("./d-4.js")')
    (tmp_path / "b-2.js").write_text('import{y}from"./a-1.js";export const x=1')
    (tmp_path / "c-3.js").write_text("")
    (tmp_path / "d-4.js").write_text("")
    page = '<script type="module" src="/static/assets/a-1.js"></script>'
    assert sorted(file.name for file in scripts(page, tmp_path)) == ["a-1.js", "b-2.js", "c-3.js"]
