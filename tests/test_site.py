"""The built documentation: it builds strictly, loads nothing from elsewhere, and shows its formulas."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="the site is built with the extra `docs`")

ROOT = Path(__file__).parents[1]
LOADS = re.compile(r"<(?:script|img|iframe)[^>]*\bsrc=[\"']?(?:https?:)?//|<link[^>]*\bhref=[\"']?(?:https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr
    return out


def pages(site: Path) -> dict[str, str]:
    return {str(p.relative_to(site)): p.read_text(encoding="utf-8") for p in site.rglob("*.html")}


def test_every_page_is_built(site):
    sources = {str(p.relative_to(ROOT / "docs").with_suffix(".html")) for p in (ROOT / "docs").rglob("*.md")}
    assert sources <= set(pages(site))


def test_nothing_is_loaded_from_elsewhere(site):
    assert {name: result for name, text in pages(site).items() if (result := LOADS.findall(text))} == {}


def test_formulas_are_shown(site):
    text = pages(site)["model.html"]
    assert text.count("<math ") > 50
    assert re.findall(r"<m(?:i|o|n|text)>[^<]*\\[^<]*", text) == []  # a command that latex2mathml does not know
    prose = re.sub(r"<(pre|code|script|style)\b.*?</\1>|<math .*?</math>", "", text, flags=re.DOTALL)
    assert [line for line in prose.splitlines() if re.search(r"\$|\\\(|\\\[|\\[a-z]{3,}", line)] == []


def test_a_foreign_script_is_noticed():
    assert LOADS.search('<script async src="https://unpkg.com/x.js"></script>')
    assert LOADS.search('<link rel="stylesheet" href="//fonts.googleapis.com/css">')
    assert not LOADS.search('<a href="https://arxiv.org/abs/2505.19947">MESS+</a> <img src="quickstart.svg">')
