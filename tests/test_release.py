"""What a release rests on: one version everywhere, and an sdist that has what its README runs."""

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))

from check_release import ROOT, problems

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
