"""Generated files are those that `make schema` would write now."""

from pathlib import Path

from django.core.management import call_command

from workbench.management.commands.schema import GEN


def read(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_committed_schemas_are_fresh(tmp_path: Path) -> None:
    call_command("schema", out=tmp_path)
    assert read(tmp_path) == read(GEN), "run `make schema`"


def test_the_schema_of_a_method_that_is_gone_goes_too(tmp_path: Path) -> None:
    (tmp_path / "methods").mkdir()
    (tmp_path / "methods" / "gone.json").write_text("{}")
    call_command("schema", out=tmp_path)
    assert "methods/gone.json" not in read(tmp_path)
