"""Whatever a name, a key, a column or a file holds, the terminal shows it and obeys none of it."""

import ast
import json
import os
import re
import subprocess
import sys
import unicodedata

import polars as pl
import pytest
import tomli_w
from builders import model, scenario
from rich.console import Console
from test_cli import here
from test_house import PACKAGE, SOURCES, imports, names, tree_of

from messsim.cli.base import console
from messsim.report.base.screen import Screen
from messsim.scenario.overrides import format_value, parse_value
from messsim.wording import visible

TITLE = "\x1b]0;owned\x07"  # sets the title of a window
EVIL = f"a{TITLE}[red]b[/red]:smile:\r\x08\x7f\x9b2J\u202e\u200b"
SHOWN = r"a\x1b]0;owned\x07[red]b[/red]:smile:\x0d\x08\x7f\x9b2J\u202e\u200b"


def commands_a_terminal(text: str) -> list[str]:
    return re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", text)


def safe(done: subprocess.CompletedProcess[str], code: int = 0) -> str:
    """What a command printed: the evil name as it is, and nothing that a terminal obeys."""
    printed = done.stdout + done.stderr
    assert done.returncode == code, printed
    assert "Traceback" not in printed
    assert commands_a_terminal(printed) == []
    return printed


@pytest.fixture
def wide(monkeypatch):
    monkeypatch.setattr(console, "_width", None)  # what COLUMNS was when it was made
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.fixture
def evil(tmp_path, wide):
    file = tmp_path / "s.toml"
    data = scenario(
        name=f"scenario {EVIL}",
        requests=60,
        models=[model(f"model {EVIL}", 0.4), model("large", 0.8)],
        tenants=[{"name": f"tenant {EVIL}", "alpha": 0.5}, {"name": "other", "alpha": 0.3}],
        phases=[{"name": f"phase {EVIL}", "from_request": 20, "difficulty": 0.5}],
    )
    file.write_text(tomli_w.dumps(data))
    return file


# ---- the function ---------------------------------------------------------------------------------------


def test_what_commands_a_terminal_is_written_out():
    assert visible(EVIL) == SHOWN
    assert commands_a_terminal(visible("".join(map(chr, range(0x3000))))) == []
    assert visible("a\x00\x85\u2028\u2066") == r"a\x00\x85\u2028\u2066"


def test_everything_else_stays():
    for text in ("", "plain", "two\nlines\tand a tab", "größer ≥ 你好 é😀 👨‍👩‍👧", r"\x1b", "\xa0"):
        assert visible(text) == text
    assert visible(visible(EVIL)) == SHOWN


def test_what_nobody_sees_is_written_out():
    def drawn(code):  # of category Cf: signs above numbers and hieroglyphs
        return unicodedata.name(chr(code), "").startswith(("ARABIC ", "SYRIAC ", "KAITHI ", "EGYPTIAN "))

    letters = {0x061C: False}  # ARABIC LETTER MARK draws nothing
    for code in range(0x80, 0xF0000):
        if unicodedata.category(chr(code)) == "Cf" and not letters.get(code, drawn(code)):
            assert visible(f"a{chr(code)}b").isascii(), hex(code)
    for code in (0x034F, 0x115F, 0x1160, 0x17B4, 0x180B, 0x2065, 0x3164, 0xFE0F, 0xFFA0, 0xFFF0, 0xE0100):
        assert visible(f"a{chr(code)}b").isascii(), hex(code)
    assert visible("a\u200bb\U000e0041") == r"a\u200bb\U000e0041"


def test_joiners_stay_where_they_join():
    for text in ("❤️‍🔥", "1️⃣", "می‌خواهم", "क्‍ष", "👩🏽‍💻"):
        assert visible(text) == text
    assert visible("😀\u200d") == r"😀\u200d"
    assert visible("\u200dx\u200c") == r"\u200dx\u200c"
    assert visible("😀\u200d\u200d😀") == r"😀\u200d\u200d😀"
    assert visible("😀\ufe0f\ufe0f") == "😀\ufe0f" + r"\ufe0f"
    assert visible("é\ufe00") == r"é\ufe00"


def test_bytes_of_a_file_name_that_are_no_utf_8_are_shown():
    assert visible(os.fsdecode(b"a\xff\x1b")) == r"a\xff\x1b"
    visible("\ud800").encode("utf-8")


@pytest.mark.parametrize("value", [EVIL, "\u2028", "\U000e0001", "é😀", {EVIL: 1, "😀": [EVIL]}])
def test_a_value_to_be_copied_is_toml_that_a_terminal_shows(value):
    text = format_value(value)
    assert parse_value(text) == value
    assert visible(text) == text


# ---- nothing else prints --------------------------------------------------------------------------------


def test_only_the_screen_prints():
    for module, path in SOURCES.items():
        imported = {n for node in imports(tree_of(path)) for n in names(path, node)}
        if module != "report.base.screen":
            assert not {n for n in imported if n.startswith("rich.text")}, (
                f"{module}: take Text from report.base.screen"
            )
        called = {ast.unparse(node.func) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)}
        if module in ("cli", "cli.streams", "__main__"):
            called -= {"print"}  # the version, and that nothing can be printed or loaded: before anything else is
        assert not called & {"print", "Console", "rich.print", "sys.stdout.write", "sys.stderr.write"}, module
        if "typer.echo" in called:
            assert path == PACKAGE / "cli" / "base.py"  # JSON and the version


def test_a_screen_takes_no_markup():
    assert not issubclass(Console, Screen)
    screen = Screen()
    with screen.capture() as printed:
        screen.print("[red]x[/red] :smile:", "\x1b[31m")
        screen.print_plain("[red]y[/red]" + 200 * "z")
    assert printed.get() == "[red]x[/red] :smile: \\x1b[31m\n[red]y[/red]" + 200 * "z" + "\n"


def test_no_line_of_a_pipe_ends_in_blanks(tmp_path):
    """A terminal's width of them, or thousands, as where paragraphs stand among tables."""
    log = tmp_path / "log.csv"
    pl.DataFrame([{"model": m, "satisfied": 1, "cost": 1.0} for m in "ab"] * 30).write_csv(log)
    printed = safe(here("replay", log, "--alpha", "0.5"))
    assert "refused" in printed
    assert [line for line in printed.splitlines() if line != line.rstrip()] == []


# ---- each command ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (["run"], ["model", "tenant"]),
        (["run", "--require", "sla.satisfaction>=2"], ["model"]),
        (["check"], ["scenario", "model"]),
        (["replicate", "--seeds", "2"], ["scenario"]),
        (["compare", "--policies", "mess+,random", "--seeds", "1"], ["scenario", "model"]),
        (["converge", "--seeds", "4"], []),
        (["sweep", "--grid", "router.V=1e-3,1e-2", "--seeds", "1"], ["scenario"]),
        (["plan", "--replicas", "large=1..2", "--require", "sla.satisfaction>=0.01", "--objective", "energy"], []),
    ],
    ids=lambda words: " ".join(words[:1]) if words and words[0].islower() else "",
)
def test_names_of_a_scenario(evil, command, shown):
    file = evil.rename(evil.with_name(f"s{TITLE}.toml"))
    options = ["--workers", "1"] if command[0] in {"replicate", "compare", "converge", "sweep", "plan"} else []
    done = here(command[0], file, *command[1:], *options)
    printed = safe(done, code=1 if "--require" in command and command[0] == "run" else done.returncode)
    assert done.returncode in (0, 1)
    for name in shown:
        assert f"{name} {SHOWN}" in " ".join(printed.split())  # lines may be wrapped
    if command[0] in {"plan"}:
        assert r"s\x1b]0;owned\x07.toml" in printed  # the command that runs the best


def test_a_run_that_is_explained(evil, tmp_path):
    out = tmp_path / f"out{TITLE}"
    assert r"out\x1b]0;owned\x07" in safe(here("run", evil, "--out", out))
    assert f"model {SHOWN}" in " ".join(safe(here("explain", out, "--request", "5")).split())  # lines may be wrapped


def test_json_stays_json(evil):
    done = here("run", evil, "--json")
    safe(done)
    assert json.loads(done.stdout)["models"][0]["name"] == f"model {EVIL}"


@pytest.mark.parametrize(
    "wrong",
    [
        {f"key {EVIL}": 1},
        {"router": {f"key {EVIL}": 1}},
        {"router": {"policy": f"key {EVIL}"}},
        {"arrivals": {"kind": "trace", "file": f"key {EVIL}.csv".replace("/", "")}},
        {"arrivals": {"kind": f"key {EVIL}"}},
        {"models": [model(f"key {EVIL}"), model(f"key {EVIL}")]},
        {"name": f"key {EVIL}", "requests": "many"},
        {"models": [model(f"key {EVIL}", satisfaction=EVIL)]},
    ],
)
def test_errors_of_a_scenario(tmp_path, wide, wrong):
    file = tmp_path / f"{TITLE}.toml"
    file.write_text(tomli_w.dumps(scenario(**wrong)))
    assert r"\x1b]0;owned\x07" in safe(here("run", file), code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", EVIL],
        ["run", "FILE", EVIL],
        ["run", "FILE", f"--{EVIL}"],
        [EVIL],
        [f"--{EVIL}"],
        ["run", "FILE", "--set", f"{EVIL}=1"],
        ["run", "FILE", "--set", EVIL],
        ["run", "FILE", "--require", f"{EVIL}>=1"],
        ["sweep", "FILE", "--grid", f"{EVIL}=1,2"],
        ["plan", "FILE", "--replicas", f"{EVIL}=1..2", "--require", "sla.satisfaction>=0.5"],
        ["explain", EVIL, "--request", "0"],
        ["report", EVIL],
        ["profiles", EVIL],
        ["calibrate", EVIL],
        ["validate", EVIL],
        ["replay", EVIL, "--alpha", "0.5"],
    ],
)
def test_errors_of_a_command_line(evil, arguments):
    printed = safe(here(*[str(evil) if a == "FILE" else a.replace("/", "") for a in arguments]), code=2)
    assert r"\x1b]0;owned\x07" in printed


def test_a_replay(tmp_path, wide):
    log = tmp_path / "log.csv"
    models = [f"model {EVIL}", "other"]
    rows = [{f"cost__{models[0]}": 1.0, f"cost__{models[1]}": 2.0} | {f"satisfied__{m}": 1 for m in models}] * 50
    pl.DataFrame(rows).write_csv(log)
    assert f"model {SHOWN}" in safe(here("replay", log, "--alpha", "0.5"))
    pl.DataFrame([{"model": models[0], f"cost__{EVIL}": -1.0, "satisfied": 1, "odd " + EVIL: 2}]).write_csv(log)
    safe(here("replay", log, "--alpha", "0.5"), code=2)


def test_an_import(tmp_path, wide):
    log = tmp_path / "log.csv"
    pl.DataFrame(
        {"arrival_s": [0.0, 1.0], "prompt_tokens": [1, 2], "output_tokens": [1, 2], EVIL: [f"tenant {EVIL}", "b"]}
    ).write_csv(log)
    out = tmp_path / f"t{TITLE}.csv"
    printed = safe(here("import", log, "--tenant", EVIL, "--out", out))
    assert r"t\x1b]0;owned\x07.csv" in printed
    table = re.search(r"(?s)\[arrivals\].*", printed)[0]
    assert f'name = "tenant {format_value(EVIL)[1:-1]}"' in table  # TOML to be copied
    safe(here("import", log, "--time", EVIL + "x", "--out", tmp_path / "u.csv"), code=2)


def test_an_import_of_a_benchmark(tmp_path, wide):
    file = tmp_path / "bench.json"
    bench = {
        "max_concurrency": TITLE,
        "input_lens": [10, 20],
        "output_lens": [5, 5],
        "ttfts": [0.1, 0.1],
        "itls": [[0.1], [0.1]],
        "start_times": [0.5, 1.0],
        "errors": ["", ""],
    }
    file.write_text(json.dumps(bench))
    assert "2 in 500 ms" in safe(here("import", file, "--out", tmp_path / "t.csv"))


def test_a_failed_point_of_a_sweep(evil, tmp_path):
    file = tmp_path / "points.csv"
    pl.DataFrame({"name": [f"point {EVIL}"], "router.V": [1e-3]}).write_csv(file)
    assert safe(here("sweep", evil, "--points", file, "--seeds", "1", "--workers", "1"))
    pl.DataFrame({EVIL: [1]}).write_csv(file)
    assert r"\x1b]0;owned\x07" in safe(here("sweep", evil, "--points", file, "--seeds", "1"), code=2)


def test_a_terminal_that_shows_colours(evil):
    """Our own styles are the only sequences that reach a terminal."""
    env = os.environ | {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "COLUMNS": "300", "TERM": "xterm-256color"}
    done = subprocess.run([sys.executable, "-m", "messsim.cli", "run", evil], capture_output=True, text=True, env=env)
    bare = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    assert bare != done.stdout
    assert commands_a_terminal(bare) == []
    assert f"model {SHOWN}" in bare
