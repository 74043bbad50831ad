"""What a release rests on: one version everywhere, and an sdist that has what its README runs."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from check_release import ROOT, problems
from lowest_versions import lowest

FILES = ("pyproject.toml", "CITATION.cff", "CHANGELOG.md")


@pytest.fixture
def ready(tmp_path) -> Path:
    """The repository's files as they would be on the day of a release."""
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("## Unreleased", "## Unreleased\n\n## 0.1.0"))
    return tmp_path


def test_citation_and_package_have_one_version(ready):
    assert problems("v0.1.0", ready) == []


@pytest.mark.parametrize(
    ("tag", "named"),
    [("0.1.0", ["pyproject.toml"]), ("v0.2.0", ["pyproject.toml", "CHANGELOG.md"])],
)
def test_another_tag_is_refused(ready, tag, named):
    assert [line.split(":")[0] for line in problems(tag, ready)] == named


def test_a_stale_citation_is_refused(ready):
    citation = ready / "CITATION.cff"
    citation.write_text(citation.read_text().replace("version: 0.1.0", "version: 0.0.9"))
    assert problems("v0.1.0", ready) == ["CITATION.cff: version: 0.0.9; expected 0.1.0"]


def test_an_unwritten_changelog_is_refused():
    assert any(line.startswith("CHANGELOG.md") for line in problems("v9.9.9"))


def test_without_the_compiled_core_python_is_told_what_to_run(tmp_path):
    shutil.copytree(ROOT / "messsim", tmp_path / "messsim", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    tried = "try:\n import messsim; messsim.run(messsim.load(sys.argv[1]))\nexcept ImportError as error:\n print(error)"
    bare = "sys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in getattr(f, '__module__', '')]"
    code = f"import sys\n{bare}\nsys.path.insert(0, {str(tmp_path)!r})\n{tried}"
    command = [sys.executable, "-P", "-c", code, ROOT / "scenarios" / "synthetic.toml"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}: messsim's compiled core is not built for Python 3.")
    assert done.stdout.endswith(f"-m pip install -e {tmp_path}`, which builds and installs it\n")


@pytest.mark.parametrize(
    "how", [["-c", "import messsim; messsim.run"], ["-c", "from messsim import load"], ["-m", "messsim"]]
)
def test_a_python_that_has_nothing_of_what_messsim_needs_is_told_what_to_run(tmp_path, how):
    """As ``python3`` in a folder of sources, where ``.venv/bin/python`` was meant: whether the core is built or not."""
    shutil.copytree(ROOT / "messsim", tmp_path / "messsim", ignore=shutil.ignore_patterns("__pycache__"))
    for _ in range(2):
        done = subprocess.run([sys.executable, "-S", *how], capture_output=True, text=True, cwd=tmp_path)
        last = done.stderr.splitlines()[-1]
        assert f"{tmp_path}: " in last
        assert last.endswith(f"`{sys.executable} -m pip install -e {tmp_path}`, which builds and installs it")
        assert ("Traceback" in done.stderr, done.returncode) == ((False, 2) if how[0] == "-m" else (True, 1))
        for core in (tmp_path / "messsim").glob("_core*.so"):
            core.unlink()


def test_the_least_versions_are_read_from_the_project(tmp_path):
    assert "typer==0.19" in lowest([])
    assert "altair==5.5" in lowest(["plot"])
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\ndependencies = ["a>=1.2", "b"]\n')
    with pytest.raises(ValueError, match="b: expected NAME>=VERSION"):
        lowest([], file)


def test_the_address_of_the_repository_is_the_same_everywhere():
    url = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Repository"]
    for page in ("README.md", "docs/tutorial.md"):
        assert f"git clone {url}" in (ROOT / page).read_text(encoding="utf-8")
    assert f"repository-code: {url}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
