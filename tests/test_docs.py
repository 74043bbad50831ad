"""What the documentation says is so: its code runs, its commands, keys and fields exist.

A block that cannot run here says why in a comment above it (see tests/pages.py).
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
from pages import FENCE, ROOT, Block, blocks, commands, inline

import messsim
from messsim.cli import app
from messsim.engines.records import COLUMNS
from messsim.results.fields import fields_of as explained
from messsim.routing.plugin import ARGUMENTS
from messsim.scenario import schema
from messsim.study.simulation.without_router import without_router

sys.path.insert(0, str(ROOT / "tools"))

from reference_pages import REFERENCE, cli_page, pages, scenario_page

PAGES = sorted((ROOT / "docs").rglob("*.md"))
README = ROOT / "README.md"
GROUP = typer.main.get_command(app)
OPTIONS = {name: {o for p in c.params for o in (*p.opts, *p.secondary_opts)} for name, c in GROUP.commands.items()}
SCHEMA = schema()

# ---- code -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def warm() -> Iterator[Path]:
    """The socket of a Python that has loaded messsim (see tests/warm.py); its path must be short."""
    folder = Path(tempfile.mkdtemp(prefix="warm-", dir="/tmp"))
    path = folder / "socket"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    server = subprocess.Popen([sys.executable, str(ROOT / "tests" / "warm.py"), str(path)], env=environment)
    while not path.exists():
        assert server.poll() is None
        time.sleep(0.05)
    yield path
    server.kill()
    server.wait()
    shutil.rmtree(folder)


@pytest.fixture
def desk(tmp_path, warm, monkeypatch) -> Path:
    """A folder with the shipped scenarios, where `messsim` is the command of this very package."""
    shutil.copytree(ROOT / "scenarios", tmp_path / "scenarios")
    bin_ = tmp_path / ".bin"
    bin_.mkdir()
    script = bin_ / "messsim"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{ROOT}/tests/warm.py" "{warm}" "$@"\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PATH", f"{bin_}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def runnable(page: Path) -> list[Block]:
    """The README's shell blocks are run by .ci/run."""
    languages = ("python",) if page == README else ("bash", "python", "text")
    return [b for b in blocks(page.read_text(encoding="utf-8")) if b.runs and (b.language in languages or b.file)]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [p for p in [README, *PAGES] if runnable(p)], ids=name_of)
def test_the_code_of_a_page_runs(page, desk):
    """Its blocks in order, in one folder; the Python blocks of a page share their names.

    A block of text after commands shows what they print, or some lines of it.
    """
    names: dict[str, Any] = {"__name__": "docs"}
    printed, whole = "", ""
    for block in runnable(page):
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
            continue
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)
            continue
        if block.language == "text":
            where = f"{name_of(page)}:{block.line}"
            assert not printed or unprinted(block.text, printed) == [], where
            continue
        script = "\n".join(commands(block, OPTIONS))
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{name_of(page)}:{block.line}\n{script}\n{done.stdout[-2000:]}\n{done.stderr}"
        printed = "" if block.more else done.stdout
        if not block.more or ONLY_WORKERS.fullmatch(block.more):
            whole += done.stdout
    if name_of(page) in NO_RESULTS:
        strays = unheld(page.read_text(encoding="utf-8"), whole)
        assert set(strays) - NO_RESULTS[name_of(page)] == set()


# Pages whose every figure is what their commands print; and the figures there that are of something else.
NO_RESULTS = {
    "docs/tutorial.md": {"3.11", "4,096", "0.33", "300", "0.03"},  # versions, a limit, differences of what is printed
    "docs/when-routing-does-not-pay.md": {"2023"},
}
ONLY_WORKERS = re.compile(r"--workers \d+")
FIGURE = re.compile(r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?!\w|\.\d)")


def figures_of(text: str) -> list[str]:
    return [figure.rstrip(",") for figure in FIGURE.findall(text)]


def unheld(page: str, printed: str) -> list[str]:
    """Figures of a page's text, of three digits or a decimal, that are no rounded figure of what was printed."""
    text = re.sub(r"`[^`\n]*`|\]\([^)]*\)|<!--.*?-->", "", FENCE.sub("", page))
    known = [float(figure.replace(",", "")) for figure in figures_of(printed)]
    stray = []
    for figure in figures_of(text):
        digits = figure.replace(",", "")
        half = 0.5 * 10.0 ** -len(digits.partition(".")[2]) + 1e-9
        if len(digits) >= 3 and not any(abs(value - float(digits)) <= half for value in known):
            stray.append(figure)
    return stray


def unprinted(shown: str, printed: str) -> list[str]:
    """Lines that a page shows and the commands did not print, whatever the spaces between words."""
    names = {" ".join(line.split()) for line in printed.splitlines()}
    return [line for line in shown.splitlines() if line.strip() and " ".join(line.split()) not in names]


# ---- commands -------------------------------------------------------------------------------------------


def spoken(page: Path) -> list[str]:
    """Every `messsim ...` of a page: in shell blocks, run or not, and in the text."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in blocks(text) if block.language == "bash" for line in commands(block, OPTIONS)]
    texts = [re.sub(r"^.*\bbin/messsim ", "messsim ", line).strip() for line in [*lines, *inline(text)]]
    return [re.split(r" [|>&;]", line)[0] for line in texts if line.startswith("messsim ")]


def unknown_in(line: str) -> list[str]:
    """What a command line names that does not exist; `messsim ...` and the like name nothing."""
    words = shlex.split(line, comments=True)
    if not words[1].strip("-").isidentifier():
        return []
    if words[1].startswith("-"):
        return [words[1]] * (words[1] not in ("--version", "--help"))
    if words[1] not in OPTIONS:
        return [words[1]]
    known = {"--help", *OPTIONS[words[1]]}
    return [w for w in words[2:] if re.match(r"--\w", w) and w.split("=")[0] not in known]


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md", *PAGES], ids=name_of)
def test_every_command_exists_with_its_options(page):
    assert {line: result for line in spoken(page) if (result := unknown_in(line))} == {}


def test_the_readme_names_every_command():
    named = set(re.findall(r"`messsim (\w+)", README.read_text(encoding="utf-8")))
    assert set(GROUP.commands) - named == set()


# ---- files ----------------------------------------------------------------------------------------------

FOLDERS = ("bench", "csrc", "docs", "examples", "messsim", "scenarios", "tests", "tools")


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md", *PAGES], ids=name_of)
def test_every_file_that_is_named_exists(page):
    """Paths in the text, and links of pages that are no part of the site, whose build checks its own."""
    text = page.read_text(encoding="utf-8")
    paths = [c for c in inline(text) if re.fullmatch(rf"({'|'.join(FOLDERS)})/[\w./-]*", c) and "NAME" not in c]
    links = [] if page in PAGES else re.findall(r"\]\((?!https?:|#)([^)#]+)", text)
    assert [name for name in [*paths, *links] if not (ROOT / name).exists()] == []


# ---- keys and fields ------------------------------------------------------------------------------------


def key_paths(field: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every key that may stand below a field of the schema; `*` is a name of the user's own."""
    if "$ref" in field:
        field = SCHEMA["$defs"][field["$ref"].rsplit("/", 1)[1]]
    for form in [*field.get("anyOf", []), *field.get("oneOf", []), *([field["items"]] if "items" in field else [])]:
        yield from key_paths(form, above)
    for key, inner in field.get("properties", {}).items():
        yield (*above, key)
        yield from key_paths(inner, (*above, key))
    if "properties" not in field and isinstance(field.get("additionalProperties"), dict):
        yield (*above, "*")


KEYS = set(key_paths(SCHEMA))


def is_key(path: list[str]) -> bool:
    """Whether a scenario may have this key; positions of list entries are left out of the path."""
    if path[0] == "router" and len(path) > 2 and ("router", path[1]) not in KEYS:
        path = ["router", *path[2:]]  # [router.NAME]: options of one policy
    return tuple(path) in KEYS or (*path[:-1], "*") in KEYS


def keys_of(table: dict[str, Any], above: tuple[str, ...] = ()) -> list[list[str]]:
    collected = []
    for key, value in table.items():
        path = (*above, key)
        entries = value if isinstance(value, list) else [value]
        inner = [k for entry in entries if isinstance(entry, dict) for k in keys_of(entry, path)]
        collected += inner or [list(path)]
    return collected


ENDINGS = (".toml", ".py", ".pyx", ".c", ".h", ".json", ".parquet", ".csv", ".md", ".html")  # names of files


@cache
def a_summary() -> dict[str, Any]:
    """Of a small run."""
    return a_run().summary


@cache
def a_run() -> messsim.Result:
    """With everything on that adds fields."""
    lines = ["sla.window_requests=50", "slo.ttft_s=1.0"]
    return messsim.run(messsim.load(ROOT / "scenarios" / "quickstart.toml", lines, requests=100), beside=without_router)


def fields_of(value: Any, above: str = "") -> list[str]:
    """Dotted names of an object's fields; entries of a list count as one."""
    if isinstance(value, list):
        return fields_of(value[0], above) if value and isinstance(value[0], dict) else []
    if not isinstance(value, dict):
        return []
    return [name for k, v in value.items() for name in (f"{above}{k}", *fields_of(v, f"{above}{k}."))]


@pytest.mark.parametrize("page", [README, *PAGES], ids=name_of)
def test_every_scenario_key_exists(page):
    """Those of TOML blocks, and dotted names in the text: of a scenario, or of a summary."""
    text = page.read_text(encoding="utf-8")
    tables = [tomllib.loads(b.text) for b in blocks(text) if b.language == "toml" and b.runs]
    unknown = [".".join(path) for table in tables for path in keys_of(table) if not is_key(path)]
    dotted = [c for c in inline(text) if re.fullmatch(r"[a-z]+(\.[A-Za-z_]+)+", c) and not c.endswith(ENDINGS)]
    heads = [*SCHEMA["properties"], *a_summary()]
    fields = {*fields_of(a_summary()), *(field.path for field in explained())}
    unknown += [d for d in dotted if d.split(".")[0] in heads and not is_key(d.split(".")) and d not in fields]
    assert unknown == []


FILES = ROOT / "docs" / "files.md"


def test_the_tables_of_the_summary_are_current():
    page = FILES.read_text(encoding="utf-8")
    assert runpy.run_path(str(ROOT / "tools" / "summary_tables.py"))["spliced"](page) == page, (
        "docs/files.md is out of date: python tools/summary_tables.py"
    )


def test_every_field_of_the_files_is_explained():
    rows = set(re.findall(r"^\| `([^`]+)`", FILES.read_text(encoding="utf-8"), re.MULTILINE))
    in_one_row = r"(latency_s|tenants\.windows|tenants\.slo|cost\.without_router\.\w+)\..*"
    fields = {re.sub(in_one_row, r"\1", f) for f in fields_of(a_summary())}
    assert {f for f in fields if not any(other.startswith(f"{f}.") for other in fields)} - rows == set()
    assert set(COLUMNS) - rows == set()
    assert {c for c in a_run().timeline.columns if not c.startswith(("in_system_", "power_w_"))} - rows == set()


def test_every_argument_of_a_policy_is_explained():
    page = (ROOT / "docs" / "how-to" / "own-policy.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(\w+)`(?:, `(\w+)`)*", page, re.MULTILINE))
    assert {a for names in ARGUMENTS.values() for a in names} - {n for group in named for n in group} == set()


def test_every_public_name_is_in_the_python_reference():
    page = (ROOT / "docs" / "reference" / "python.md").read_text(encoding="utf-8")
    assert [n for n in messsim.__all__ if not re.search(rf"^::: messsim\..*\b{n}\b", page, re.MULTILINE)] == [
        "__version__"
    ]


# ---- generated pages ------------------------------------------------------------------------------------


def test_the_scenario_reference_has_every_key():
    page = scenario_page(SCHEMA)
    anchors = set(re.findall(r"<a id='([\w.]+)'></a>", page))
    keys = [name for table in [SCHEMA, *SCHEMA["$defs"].values()] for name in table["properties"] if name != "kind"]
    assert {key for key in keys if not any(a.endswith(f".{key}") for a in anchors)} == set()
    assert "| <a id='router.c'></a>`c` | number ≥ 0 | `0.1` | " in page
    assert "| <a id='sla.alpha'></a>`alpha` | number ≥ 0 and ≤ 1 | required |" in page
    assert "[token law](#token-laws), or whole number ≥ 1" in page
    assert re.findall(r"[^\n]\n#+ .*", page) == []  # a heading after a table needs an empty line
    assert page.count("## Token laws") == page.count("## Delay laws") == 1


@pytest.mark.parametrize("name", ["scenario.md", "cli.md", "formats.md"])
def test_the_references_in_the_repository_are_current(name):
    kept = (REFERENCE / name).read_text(encoding="utf-8")
    if name == "cli.md" and f"Typer {typer.__version__} " not in kept:
        pytest.skip("another version of Typer words it in another way")
    assert kept == pages()[name], "python tools/reference_pages.py writes it anew"


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md", *PAGES], ids=lambda p: p.name)
def test_links_lead_to_files_of_the_repository(page):
    text = re.sub(r"(?s)```.*?```", "", page.read_text(encoding="utf-8"))
    for link in re.findall(r"\]\(([^)#\s]+)", text):
        if "://" not in link and not link.startswith("mailto:"):
            assert (page.parent / link).exists(), link


def test_the_command_reference_has_every_command_and_option():
    page = cli_page()
    assert "..." not in page.split("## ")[0].replace("[ARGS]...", "")
    for name, command in GROUP.commands.items():
        section = page.split(f"## `messsim {name}`")[1].split("\n## ")[0]
        for param in command.params:
            assert (param.opts[0] if param.param_type_name == "option" else param.metavar or param.name) in section


# ---- that these tests can fail --------------------------------------------------------------------------


def test_blocks_are_found_with_their_marks():
    text = "a\n\n<!-- not run: network -->\n```bash\npip x\n```\n\n    ```toml\n    a = 1\n    ```\n```python\n1\n```\n"
    assert blocks(text) == [
        Block("bash", "pip x\n", 5, "not run: network"),
        Block("toml", "a = 1\n", 9),
        Block("python", "1\n", 12),
    ]
    assert Block("toml", "a = 1\n", 1, "file: a.toml").file == "a.toml"
    small = Block("bash", "messsim run \\\n x\nmesssim schema\necho", 1, "run with: --requests 9")
    lines = [line.split() for line in commands(small, OPTIONS)]
    assert lines == [["messsim", "run", "x", "--requests", "9"], ["messsim", "schema"], ["echo"]]


def test_strays_are_noticed():
    assert unprinted("a  b\n\nc\n", " a b\nd") == ["c"]
    assert unheld("68.5 % of 50,000, `1.2`, 457 and 456", "68.51 %, 50,000 of 457") == ["456"]
    assert unknown_in("messsim rum x.toml") == ["rum"]
    assert unknown_in("messsim run x.toml --sed 1 --seed 2 --set a=--b") == ["--sed"]
    assert unknown_in("messsim --verion") == ["--verion"]
    assert not any(map(is_key, (["router", "v"], ["router", "own", "v"], ["sla", "alpha", "x"], ["slo"] * 2)))
    assert is_key(["router", "own", "V"])
    assert is_key(["phases", "tasks", "mine"])
    assert is_key(["arrivals", "columns", "time"])
    assert is_key(["cluster", "failures", "schedule", "at_s"])
    assert json.dumps(keys_of({"a": [{"b": 1}, {"c": {"d": 2}}], "e": 3})) == '[["a", "b"], ["a", "c", "d"], ["e"]]'
    assert fields_of({"a": {"b": 1}, "c": [{"d": 2}]}) == ["a", "a.b", "c", "c.d"]
