"""The house: each room stands above what it imports, imports inside functions too (CONTRIBUTING.md)."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "messsim"
CSRC = ROOT / "csrc"

FLOORS = {
    **dict.fromkeys(["amounts", "errors", "files", "quantiles", "summary", "version", "wording"], 0),
    **dict.fromkeys(["_core", "forking", "scenario", "shapes"], 1),
    **dict.fromkeys(["workload", "zoo", "routing"], 2),
    **dict.fromkeys(["engines", "plot"], 3),
    "results": 4,
    **dict.fromkeys(["logs", "study"], 5),
    "report": 6,
    "api": 7,
    **dict.fromkeys(["cli", "__init__"], 8),
    "__main__": 9,
}
MOST_LINES = 500
MOST_BYTES = 1_200_000  # of a file that is kept: no wheel, no trace
MOST_ENTRIES = 14  # at the top of a room of many parts

# What a module may import when it is loaded; the rest is imported where it is used.
AT_ONCE = {"numpy", "pydantic", "pydantic_core", "typer", "typing_extensions", "rich"}
ELSEWHERE = {  # modules that are themselves loaded late, or need a small library only they use
    "engines.simpy_engine": {"simpy"},
    "engines.calendar": {"simpy"},
    "scenario.loading": {"tomli_w"},
}


def module_of(path: Path) -> str:
    """``engines.records``; a package is named as itself, messsim as ``__init__``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


SOURCES = {module_of(p): p for p in sorted(PACKAGE.rglob("*.py"))}
MODULES = {*SOURCES, "_core"}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(node: ast.AST, deep: bool = True) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import under a node; unless `deep`, not those inside functions and for type checkers."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif is_type_checking(child) and not deep:
            for other in child.orelse:
                yield from imports(other, deep)
        elif deep or not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from imports(child, deep)


def names(path: Path, node: ast.Import | ast.ImportFrom) -> list[str]:
    """Absolute dotted names, each as deep as the import names it."""
    if isinstance(node, ast.Import):
        return [a.name for a in node.names]
    base = node.module or ""
    if node.level:
        package = ("messsim", *path.relative_to(PACKAGE).parts[:-1])
        base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
    return [f"{base}.{a.name}" for a in node.names]


def home(name: str) -> str | None:
    """The module of ours that an imported name belongs to; None for others' names."""
    parts = name.split(".")
    if parts[0] != "messsim":
        return None
    for end in range(len(parts), 1, -1):
        if (module := ".".join(parts[1:end])) in MODULES:
            return module
    return "__init__"


def room(module: str) -> str:
    return module.split(".")[0]


def ours(module: str) -> set[str]:
    """The modules of messsim that one imports, anywhere in it, if only for its type hints."""
    path = SOURCES[module]
    present = {home(n) for node in imports(tree_of(path)) for n in names(path, node)}
    return {m for m in present if m is not None and m != module}


def uphill(module: str, imported: str) -> bool:
    """Whether an import goes up, or sideways to another room of the same floor."""
    here, there = room(module), room(imported)
    return here != there and FLOORS[there] >= FLOORS[here]


def test_every_room_has_a_floor():
    assert {room(m) for m in MODULES} == set(FLOORS)


@pytest.mark.parametrize("module", SOURCES)
def test_imports_go_down(module):
    assert [m for m in sorted(ours(module)) if uphill(module, m)] == []


def test_no_modules_import_each_other_in_a_ring():
    graph = {m: ours(m) & set(SOURCES) for m in SOURCES}
    assert ring_in(graph) == []


def ring_in(graph: dict[str, set[str]]) -> list[str]:
    """One ring, or none. A package and its own modules count: importing a module runs its package first."""
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for following in sorted(graph[module]):
            if outcome := walk(following, [*path, module]):
                return outcome
        done.add(module)
        return []

    return next((result for module in sorted(graph) if (result := walk(module, []))), [])


@pytest.mark.parametrize("module", SOURCES)
def test_what_is_slow_to_load_is_loaded_where_it_is_used(module):
    allowed = AT_ONCE | ELSEWHERE.get(module, set()) | {"messsim", "__future__"} | sys.stdlib_module_names
    path = SOURCES[module]
    present = {n.split(".")[0] for node in imports(tree_of(path), deep=False) for n in names(path, node)}
    assert present - allowed == set()


@pytest.mark.parametrize("module", SOURCES)
def test_no_file_is_long(module):
    assert len(SOURCES[module].read_text(encoding="utf-8").splitlines()) <= MOST_LINES


WITHOUT_REPORT = """
import sys

sys.modules["messsim.report"] = None
from messsim.scenario import load
from messsim.study import run
from messsim.study.compare.files import write_comparison
from messsim.study.compare.policies import compare
from messsim.study.converge.convergence import converge
from messsim.study.converge.files import write_convergence
from messsim.study.replicate import StoppingRule, replicate
from messsim.study.sweep import sweep

out = __import__("pathlib").Path(sys.argv[2])
scenario = load(sys.argv[1], [], requests=50)
run(scenario, out=out / "run")
comparison, _ = compare(scenario, ["mess+", "random"], 1, out=out / "compare", workers=1)
write_comparison(out / "compare", scenario, comparison, workers=1)
write_convergence(out / "converge", converge(scenario, 2, out=out / "converge", workers=1))
replicate(scenario, StoppingRule(2), out=out / "replicate", workers=1)
sweep(scenario, [{"router.V": 1e-4}], seeds=1, out=out / "sweep", workers=1)
"""


def test_no_run_and_no_study_needs_a_report(tmp_path):
    quick = ROOT / "scenarios/synthetic.toml"
    subprocess.run([sys.executable, "-c", WITHOUT_REPORT, quick, tmp_path], check=True)
    assert {p.name for p in tmp_path.iterdir()} == {"run", "compare", "converge", "replicate", "sweep"}
    assert (tmp_path / "run/summary.json").exists()


@pytest.mark.parametrize("name", ["study", "report"])
def test_a_room_is_seen_at_a_glance(name):
    """Every command's parts stand together, in a package of their own where they are several."""
    assert len([p for p in (PACKAGE / name).iterdir() if p.name != "__pycache__"]) <= MOST_ENTRIES


def test_the_page_on_architecture_has_every_room_on_its_floor():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (.+?) \|", page, re.MULTILINE)
    figures = {name: int(floor) for floor, names in rows for name in re.findall(r"`(\w+)(?:\.pyx|/)?`", names)}
    assert {name: floor for name, floor in figures.items() if name != "csrc"} == FLOORS


def test_the_core_imports_only_errors():
    text = (PACKAGE / "_core.pyx").read_text(encoding="utf-8")
    imported = [line for line in text.splitlines() if "import" in line.split("#")[0].split() and "messsim" in line]
    assert imported == ["from messsim import errors"]


# ---- that these tests can fail --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["CONVENTIONS", "DESIGN"])
def test_no_page_is_cited_that_readers_do_not_have(name):
    folders = [PACKAGE, ROOT / "tests", ROOT / "csrc", ROOT / "docs", ROOT / "bench", ROOT / "tools"]
    texts = [
        p for folder in folders for p in sorted(folder.rglob("*")) if p.suffix in (".py", ".pyx", ".c", ".h", ".md")
    ]
    cited = re.compile(rf"\b{name}(\.md\b| §| [A-I]\b)")
    compiled = PACKAGE / "_core.c"
    assert [p for p in texts if p != compiled and cited.search(p.read_text(encoding="utf-8"))] == []


# ---- words that say nothing -----------------------------------------------------------------------------

BANNED = {"told", "said", "found"}  # as names, or as words of a name; functions of tests are sentences
SPELLED = ("id", "attr", "arg", "name", "asname")  # where a node of a syntax tree keeps an identifier
CODE = ["bench", "examples", "messsim", "tests", "tools"]
NOT_CODE = re.compile(r'"""(?:\\.|[^\\])*?"""|/\*.*?\*/|(?://|#)[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def banned_in(tree: ast.Module) -> set[str]:
    """The identifiers of a Python file that are, or hold, a banned word."""
    names = {v for node in ast.walk(tree) for key in SPELLED if isinstance(v := getattr(node, key, None), str)}
    return {n for n in names if BANNED.intersection(n.split("_")) and not n.startswith("test_")}


def banned_words(text: str) -> set[str]:
    """The same of C or Cython, comments and strings left out; there only whole names."""
    return BANNED.intersection(re.findall(r"[A-Za-z_]\w*", NOT_CODE.sub(" ", text)))


def test_no_identifier_is_a_word_that_means_anything():
    sources = [p for folder in CODE for p in sorted((ROOT / folder).rglob("*.py*")) if p.suffix in (".py", ".pyi")]
    assert {p.relative_to(ROOT): n for p in sources if (n := banned_in(tree_of(p)))} == {}
    compiled = [*sorted(CSRC.rglob("*.[ch]")), *sorted(PACKAGE.glob("_core.p[yx]*"))]
    others = {p: banned_words(p.read_text(encoding="utf-8")) for p in compiled if p.suffix not in (".py", ".pyi")}
    assert {p.name: n for p, n in others.items() if n} == {}


def test_a_banned_identifier_is_noticed():
    code = "def f(said, x_told):\n    'told'\n    return g.found, f'{said}'\n\n\ndef test_what_is_told(): pass\n"
    assert banned_in(ast.parse(code)) == {"said", "x_told", "found"}
    assert banned_words('int found; /* told */ // said\nchar *s = "told";') == {"found"}


def test_packed_bytes_of_tests_have_no_time():
    """Gzip writes down when it packs: as a parameter such bytes give a test another name in each process."""
    for file in sorted((ROOT / "tests").glob("*.py")):
        packs = [
            c for c in ast.walk(tree_of(file)) if isinstance(c, ast.Call) and ast.unparse(c.func) == "gzip.compress"
        ]
        assert all("mtime" in {k.arg for k in call.keywords} for call in packs), file.name


# ---- as much test as code -------------------------------------------------------------------------------


def lines_of(files: Iterable[Path]) -> int:
    return sum(len(p.read_bytes().splitlines()) for p in files)


def test_tests_are_as_long_as_what_they_test():
    code = [*PACKAGE.rglob("*.py"), PACKAGE / "_core.pyx", *CSRC.glob("*.[ch]")]
    tests = [*(ROOT / "tests").rglob("*.py"), *(CSRC / "tests").glob("*.[ch]")]
    assert lines_of(tests) >= lines_of(code)


# ---- types that say nothing -----------------------------------------------------------------------------

UNTYPED_AT_MOST = 17


def test_fewer_dictionaries_of_anything():
    """The number of `dict[str, Any]` may only fall: whoever removes some lowers the bound."""
    total = sum(p.read_text(encoding="utf-8").count("dict[str, Any]") for p in PACKAGE.rglob("*.py"))
    assert total <= UNTYPED_AT_MOST


# ---- functions that are read at a glance ----------------------------------------------------------------

MOST_LINES_OF_THE_DOOR = 1390
MOST_LINES_OF_A_FUNCTION = 60  # with its docstring; of C, with the comment above it


def python_lengths(tree: ast.Module) -> dict[str, int]:
    """By name, how many lines the longest function of that name has, from ``def`` on, its docstring included."""
    measured: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or 0) - node.lineno + 1
            measured[node.name] = max(lines, measured.get(node.name, 0))
    return measured


def cython_lengths(text: str) -> dict[str, int]:
    """The same of Cython: a function goes on while lines are indented deeper than it."""
    lines = text.splitlines()
    measured: dict[str, int] = {}
    for begin, line in enumerate(lines):
        if head := re.match(r"( *)(?:cdef(?! class)|cpdef|def)\b[^=]*?(\w+)\(", line):
            deeper = re.compile(rf"$| {{{len(head[1]) + 1}}}|{head[1]}\)")
            rest = range(begin + 1, len(lines))
            end = next((k for k in rest if not deeper.match(lines[k])), len(lines))
            whole = len("\n".join(lines[begin:end]).rstrip().splitlines())
            measured[head[2]] = max(whole, measured.get(head[2], 0))
    return measured


def test_no_function_is_long():
    sources = [p for folder in CODE for p in sorted((ROOT / folder).rglob("*.py"))]
    every = {f"{p.relative_to(ROOT)}:{n}": k for p in sources for n, k in python_lengths(tree_of(p)).items()}
    every |= {f"_core.pyx:{n}": k for n, k in cython_lengths((PACKAGE / "_core.pyx").read_text("utf-8")).items()}
    assert {name: lines for name, lines in every.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}


def test_the_door_is_short():
    """What C's headers say is written by tools/door.py, not again in the door."""
    assert len((PACKAGE / "_core.pyx").read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_THE_DOOR


def test_a_long_function_is_noticed():
    code = 'def f():\n    """One.\n\n    Two."""\n' + "    g()\n" * 59 + "\n\nx = 1\n"
    assert python_lengths(ast.parse(code)) == {"f": 63}
    code = "cdef class C:\n    cdef int f(self,\n               int x\n    ) nogil:\n" + "        g()\n\n" * 3
    assert cython_lengths(code + "    def h(self): pass\n\nDEF = 1\n") == {"f": 8, "h": 1}


# ---- csrc ---------------------------------------------------------------------------------------------------

INCLUDE = re.compile(r'^#include "(\w+)\.h"', re.MULTILINE)


def includes(folder: Path) -> dict[str, set[str]]:
    """By file, what it and its header include of the others; both are one part."""
    graph: dict[str, set[str]] = {}
    for source in sorted([*folder.glob("*.c"), *folder.glob("*.h")]):
        result = set(INCLUDE.findall(source.read_text(encoding="utf-8"))) - {source.stem}
        graph.setdefault(source.stem, set()).update(result)
    return graph


def rings(graph: dict[str, set[str]]) -> set[frozenset[str]]:
    """All sets of parts that reach each other."""
    reach: dict[str, set[str]] = {}
    for part in graph:
        seen, coming = set(), [*graph[part]]
        while coming:
            if (following := coming.pop()) not in seen:
                seen.add(following)
                coming += graph.get(following, ())
        reach[part] = seen
    return {frozenset(b for b in reach[a] if a in reach[b]) for a in graph if a in reach[a]}


def lengths(source: Path) -> dict[int, int]:
    """By the line where each function begins, after a blank one, how many lines it has: comment, head and body."""
    begins, is_inside, collected = 1, False, {}
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
        if not line and not is_inside:
            begins = number + 1
        elif line == "{":
            is_inside = True
        elif line == "}" and is_inside:
            collected[begins] = number - begins + 1
            is_inside = False
    return collected


def test_c_files_include_each_other_in_no_ring():
    assert rings(includes(CSRC)) == set()


@pytest.mark.parametrize("source", sorted(CSRC.glob("*.[ch]")), ids=lambda p: p.name)
def test_no_c_file_is_long(source):
    assert len(source.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


C_SOURCES = sorted([*CSRC.rglob("*.[ch]"), *(ROOT / "bench").glob("*.c")])


@pytest.mark.parametrize("source", C_SOURCES, ids=lambda p: p.name)
def test_no_c_function_is_long(source):
    assert {n: lines for n, lines in lengths(source).items() if lines > MOST_LINES_OF_A_FUNCTION} == {}


def test_a_long_c_function_is_noticed(tmp_path):
    source = tmp_path / "a.c"
    source.write_text("int x;\n\n/* f */\nint f(void)\n{\n\n" + "    g();\n" * 59 + "}\n\nint h(void)\n{\n}\n")
    assert lengths(source) == {3: 64, 68: 3}


def test_a_ring_of_c_files_is_noticed(tmp_path):
    (tmp_path / "a.h").write_text('#include <math.h>\n#include "b.h"\n')
    (tmp_path / "b.c").write_text('#include "b.h"\n#include "c.h"\n')
    (tmp_path / "c.c").write_text('#include "a.h"\n')
    assert rings(includes(tmp_path)) == {frozenset({"a", "b", "c"})}
    (tmp_path / "c.c").write_text("")
    assert rings(includes(tmp_path)) == set()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_no_large_file_is_kept():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    assert ROOT / "README.md" in files
    assert [f.name for f in files if f.is_file() and f.stat().st_size > MOST_BYTES] == []


def test_strays_are_noticed(tmp_path, monkeypatch):
    package = tmp_path / "messsim"
    (package / "scenario").mkdir(parents=True)
    source = package / "scenario" / "stray.py"
    source.write_text(
        "from typing import TYPE_CHECKING\n"
        "import polars\n"
        "if TYPE_CHECKING:\n    from messsim.cli import app\n"
        "def f():\n    from ..engines import records\n    import scipy.stats\n"
    )
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", package)
    monkeypatch.setitem(SOURCES, "scenario.stray", source)
    assert ours("scenario.stray") == {"cli", "engines.records"}
    assert uphill("scenario.stray", "cli")
    assert uphill("scenario.stray", "engines.records")
    assert uphill("workload.irt", "zoo.facts")
    assert not uphill("engines.costs", "engines.cluster")
    assert not uphill("study.check", "workload.irt")
    tops = [n for node in imports(tree_of(source), deep=False) for n in names(source, node)]
    assert tops == ["typing.TYPE_CHECKING", "polars"]
    assert ring_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert ring_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
