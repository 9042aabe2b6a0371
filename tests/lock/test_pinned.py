"""What is installed: pinned exactly, inside the ranges, free of addresses."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lock.files import CUDA, NAMES, ROOT, pinned_versions, requirement_lines
from lock.newest import differences
from lock.uv import is_installed
from lock.wheels import lacking


def text(file: str) -> str:
    return (ROOT / file).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_every_line_is_pinned_exactly(name: str) -> None:
    requirements = [Requirement(line) for line in requirement_lines(text(f"{name}.txt"))]
    assert requirements
    for requirement in requirements:
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", requirement
        assert "*" not in specifier.version, requirement


@pytest.mark.parametrize("name", NAMES)
def test_every_range_holds_the_version_that_is_pinned(name: str) -> None:
    pinned = pinned_versions(text(f"{name}.txt"))
    for line in requirement_lines(text(f"{name}.in")):
        wanted = Requirement(line)
        versions = pinned.get(canonicalize_name(wanted.name), set())
        assert versions, f"{line} is not pinned; run: make lock"
        outside = [version for version in versions if version not in wanted.specifier]
        assert not outside, f"{line} excludes what is pinned, {outside}; run: make lock"


@pytest.mark.parametrize("name", NAMES)
def test_no_address_hash_or_cuda_package_is_in_it(name: str) -> None:
    pinned = text(f"{name}.txt")
    assert not re.search(r"://|--hash|--index|--find-links|@ |(^|\s)/\w", pinned, re.MULTILINE)
    assert not re.search(r"^(nvidia|cuda)-", pinned, re.MULTILINE)
    assert "triton" not in pinned or name == "requirements-dev"


def test_what_cuda_needs_is_pinned_and_not_installed() -> None:
    cuda = pinned_versions(text(CUDA))
    assert {"nvidia-cublas", "cuda-bindings", "triton"} <= cuda.keys()
    assert not cuda.keys() & pinned_versions(text("requirements.txt")).keys()
    assert f"-c {CUDA}" in text("requirements.txt").splitlines()
    assert CUDA in text("Dockerfile")


def test_tests_run_on_the_versions_that_users_get() -> None:
    product, tests = (pinned_versions(text(f"requirements{kind}.txt")) for kind in ("", "-dev"))
    assert {name: tests.get(name) for name in product} == product


def test_the_benchmark_measures_the_torch_that_users_get() -> None:
    product, bench = (pinned_versions(text(f"requirements{kind}.txt")) for kind in ("", "-bench"))
    assert all(product[name] == bench[name] for name in ("torch", "transformers"))


def test_what_installs_reads_the_pinned_files() -> None:
    assert requirement_lines(text("lock/requirements.txt"))[0].startswith("uv==")
    for file in ("Makefile", "Dockerfile", ".ci/run"):
        assert not re.search(r"requirements[-a-z]*\.in\b", text(file)), file


def test_a_line_without_a_version_is_refused() -> None:
    with pytest.raises(ValueError, match="make lock"):
        pinned_versions("torch>=2\n")


def test_triton_is_left_to_torch_unless_it_is_asked_for() -> None:
    line = "triton==3.7.1 ; sys_platform == 'linux'  # via torch\n"
    assert not is_installed(line, "torch==2.13.0\n")
    assert is_installed(line, "torch==2.13.0\ntriton>=3.4,<4\n")
    assert not is_installed("nvidia-cublas==13.1\n", "torch==2.13.0\n")


def test_requirements_without_a_wheel_are_found_among_many() -> None:
    lines = [f"package-{number}==1" for number in range(50)]
    bad = {lines[0], lines[17], lines[18], lines[49]}
    assert set(lacking(lines, lambda some: not bad & set(some))) == bad
    assert lacking(lines, lambda some: True) == []


def test_a_version_that_differs_from_the_pinned_one_is_named() -> None:
    pinned = {"torch": {"2.13.0"}, "numpy": {"2.4.6", "2.5.5"}, "gone": {"1"}}
    newest = {"torch": {"2.13.1"}, "numpy": {"2.4.6", "2.5.5"}, "new": {"2"}}
    assert differences(pinned, newest) == [
        "gone: pinned 1, newest none",
        "new: pinned none, newest 2",
        "torch: pinned 2.13.0, newest 2.13.1",
    ]


def test_pinning_needs_nothing_but_the_standard_library() -> None:
    """It runs in an environment that holds uv alone."""
    imports = {
        line.split()[1].partition(".")[0]
        for file in Path(ROOT / "lock").glob("*.py")
        for line in file.read_text().splitlines()
        if line.startswith(("import ", "from "))
    }
    assert not imports & {"packaging", "django", "torch", "pip"}
