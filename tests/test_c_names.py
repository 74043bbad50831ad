"""What csrc exports and what it calls, read from its objects: names tell their file, libm stays out."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_house import includes, rings

from messsim import _core, errors

CSRC = Path(__file__).resolve().parents[1] / "csrc"
SOURCES = sorted(CSRC.glob("*.c"))
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
NM = shutil.which("nm")

pytestmark = pytest.mark.skipif(COMPILER is None or NM is None, reason="needs a C compiler and nm")

# A rule in a file of its own exports itself, by the name that a scenario has for it.
FAMILIES = {"autoscale": "autoscale", "dispatch": "dispatch_rules", "scored": "scored_index"}

# What a file is a part of, where both have the functions of one structure, which a third declares.
PARTS = {"sequences_memory": "sequences"}

# floor, sqrt and fabs are exact in IEEE 754 whoever computes them; exp, log and pow are not. qsort leaves
# open how equals are ordered: it may sort only what has no equals.
ALLOWED = {"calloc", "malloc", "mallopt", "realloc", "free", "memcmp", "memcpy", "memmove", "memset", "qsort"}
ALLOWED |= {"madvise", "sqrt", "floor", "fabs"}


def symbols(source: Path, folder: Path) -> tuple[set[str], set[str]]:
    """The names that the object of a source defines for others, and those it needs of others."""
    target = folder / f"{source.stem}.o"
    flags = ["-std=c11", "-O1", "-ffp-contract=off", "-DMESSSIM_NO_CLONES"]
    subprocess.run([COMPILER, *flags, f"-I{CSRC}", "-c", source, "-o", target], check=True)
    listing = subprocess.run([NM, "-g", target], check=True, capture_output=True, text=True).stdout
    defined, needed = set(), set()
    for line in listing.splitlines():
        *_, kind, name = line.split()
        name = name.removeprefix("_") if sys.platform == "darwin" else name
        (needed if kind == "U" else defined).add(name)
    return defined, needed


def declarations_of(stem: str) -> str:
    """The header of a file; a rule of dispatch exports itself alone, to the table in dispatch.c."""
    own = CSRC / f"{stem}.h"
    is_rule = stem.startswith("dispatch_") and not own.exists()
    return (CSRC / "dispatch.c" if is_rule else own).read_text(encoding="utf-8")


def structures(stem: str) -> set[str]:
    """What the header of a file declares as structures, but for the names of files: their functions begin alike."""
    own = CSRC / f"{stem}.h"
    names = re.findall(r"^typedef struct ms_(\w+) \{", own.read_text("utf-8"), re.MULTILINE) if own.exists() else []
    return set(names) - {source.stem for source in SOURCES}


def misnamed(stem: str, names: set[str], structures: set[str]) -> set[str]:
    """Names that begin neither with that of their file nor with that of a structure of its header."""
    family, _, rule = stem.partition("_")
    itself = {f"ms_{stem}"} | ({f"ms_{rule}", f"ms_{rule}_rule"} if family in FAMILIES else set())
    prefixes = tuple(f"ms_{noun}_" for noun in {stem, PARTS.get(stem, stem), *structures})
    return {name for name in names - itself if not name.startswith(prefixes)}


def foreign(needed: set[str], ours: set[str]) -> set[str]:
    return {name for name in needed - ours - ALLOWED if not name.startswith(("_GLOBAL_OFFSET", "__stack_chk"))}


@pytest.fixture(scope="module")
def objects(tmp_path_factory) -> dict[str, tuple[set[str], set[str]]]:
    folder = tmp_path_factory.mktemp("objects")
    return {source.stem: symbols(source, folder) for source in SOURCES}


def test_the_sources_are_found():
    assert {"draw", "policy", "replica"} <= {source.stem for source in SOURCES}


@pytest.mark.parametrize("stem", [source.stem for source in SOURCES])
def test_exported_names_start_with_their_file(objects, stem):
    defined, _ = objects[stem]
    assert defined
    assert misnamed(stem, defined, structures(stem)) == set()


INLINE = re.compile(r"^(?:static inline|MS_INLINE) [\w *]*?\bms_(\w+)\(", re.MULTILINE)


def borrowed(header: Path) -> set[str]:
    """Functions in a header named as another file is, unless the header declares the structure of that name."""
    text = header.read_text(encoding="utf-8")
    own = {header.stem, PARTS.get(header.stem, header.stem), *re.findall(r"^typedef struct ms_(\w+) \{", text, re.M)}
    others = tuple(f"{source.stem}_" for source in SOURCES if source.stem not in own)
    return {name for name in INLINE.findall(text) if name.startswith(others) and not name.startswith(tuple(own))}


@pytest.mark.parametrize("header", sorted(CSRC.glob("*.h")), ids=lambda path: path.name)
def test_functions_in_headers_are_named_as_no_other_file(header):
    assert borrowed(header) == set()


def test_a_borrowed_name_is_noticed(tmp_path):
    header = tmp_path / "view.h"
    header.write_text("static inline int ms_fleet_seen(int x)\n{\n}\nMS_INLINE double *ms_view_at(int x)\n{\n}\n")
    assert borrowed(header) == {"fleet_seen"}
    header.write_text("typedef struct ms_fleet {\n" + header.read_text("utf-8"))
    assert borrowed(header) == set()


@pytest.mark.parametrize("stem", [source.stem for source in SOURCES])
def test_no_libm_function_but_the_exact_ones_is_called(objects, stem):
    ours = set().union(*(defined for defined, _ in objects.values()))
    assert foreign(objects[stem][1], ours) == set()


def calls(objects: dict[str, tuple[set[str], set[str]]]) -> dict[str, set[str]]:
    """By file, the others whose functions it calls."""
    homes = {name: stem for stem, (defined, _) in objects.items() for name in defined}
    return {stem: {homes[n] for n in needed if n in homes} - {stem} for stem, (_, needed) in objects.items()}


def test_c_files_know_each_other_in_no_ring(objects):
    """Whose header a file, or its own header, includes is known to it, and so is whose functions it calls."""
    called = calls(objects)
    assert rings(called) == set()
    assert rings({part: known | called.get(part, set()) for part, known in includes(CSRC).items()}) == set()


COMMENT_OR_TEXT = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def calls_by_name(folder: Path) -> dict[str, set[str]]:
    """By file, its header included, the others whose name that of a function begins with which it has or calls."""
    stems = {path.stem for path in folder.glob("*.[ch]")}
    graph: dict[str, set[str]] = {stem: set() for stem in stems}
    for source in sorted(folder.glob("*.[ch]")):
        text = COMMENT_OR_TEXT.sub(" ", source.read_text(encoding="utf-8"))
        for name in re.findall(r"\bms_(\w+)\(", text):
            nouns = [stem for stem in stems if f"{name}_".startswith(f"{stem}_")]
            graph[source.stem].update({max(nouns, key=len)} if nouns else ())
    return {stem: others - {stem} for stem, others in graph.items()}


def test_c_files_call_each_other_in_no_ring_by_the_names_of_functions():
    """Functions in headers count too, which no object shows."""
    assert rings(calls_by_name(CSRC)) == set()


def test_a_ring_by_names_is_noticed(tmp_path):
    (tmp_path / "fleet.c").write_text('#include "accounts.h"\nvoid ms_fleet_end(void) { ms_accounts_settle(); }\n')
    (tmp_path / "accounts.c").write_text(
        "/* ms_fleet_end() */ void ms_accounts_settle(void) { ms_fleet_view_note(); }\n"
    )
    (tmp_path / "fleet_view.h").write_text("static inline void ms_fleet_view_note(void) {}\n")
    assert rings(calls_by_name(tmp_path)) == set()
    (tmp_path / "fleet_view.h").rename(tmp_path / "view.h")
    assert rings(calls_by_name(tmp_path)) == {frozenset({"accounts", "fleet"})}


def test_a_ring_of_a_call_and_an_include_is_noticed():
    calling, including = {"fleet": {"accounts"}, "accounts": set()}, {"fleet": set(), "accounts": {"fleet"}}
    assert rings(calling) == rings(including) == set()
    assert rings({part: calling[part] | including[part] for part in calling}) == {frozenset({"accounts", "fleet"})}


def test_a_ring_of_calls_is_noticed():
    objects = {"a": ({"ms_a"}, {"ms_b"}), "b": ({"ms_b"}, {"ms_c", "sqrt"}), "c": ({"ms_c"}, {"ms_a"})}
    assert rings(calls(objects)) == {frozenset({"a", "b", "c"})}
    objects["c"] = ({"ms_c"}, {"ms_c"})
    assert rings(calls(objects)) == set()


def test_every_exported_function_is_declared_in_the_header_of_its_file(objects):
    for stem, (defined, _) in objects.items():
        declared = declarations_of(stem)
        assert {name for name in defined if not re.search(rf"{name}[(;,]", declared)} == set()


def untested(stems: set[str], tests: set[str]) -> set[str]:
    """Stems that neither a file of tests has in its name, nor one of their family."""
    families = {stem: FAMILIES.get(stem.partition("_")[0], stem) for stem in stems}
    return {stem for stem, family in families.items() if not tests & {f"test_{stem}", f"test_{family}"}}


def test_each_source_has_c_tests_that_a_reader_finds_by_its_name():
    tests = {path.stem for path in (CSRC / "tests").glob("test_*.c")}
    stems = {source.stem for source in SOURCES}
    assert untested(stems, tests) == set()
    assert untested({"draw", "autoscale_target", "frets"}, {"test_draw", "test_autoscale", "test_dispatch"}) == {
        "frets"
    }
    parts = "|".join(sorted(stems | {header.stem for header in CSRC.glob("*.h")}))
    assert {test for test in tests if not re.fullmatch(rf"test_({parts})(_\w+)?", test)} == set()


def test_every_error_code_becomes_an_exception_that_exists():
    codes = _core.error_codes()
    assert len(codes) > 5
    for code, name, text in codes:
        assert code < 0
        assert issubclass(getattr(errors, name), errors.MesssimError)
        assert re.search(r" \(MS_ERR_[A-Z_]+\)$", text)


def test_a_stray_name_and_a_libm_call_are_noticed(tmp_path):
    source = tmp_path / "draw.c"
    source.write_text("#include <math.h>\ndouble ms_ledger_x(double x) { return exp(x) + sqrt(x); }\n")
    defined, needed = symbols(source, tmp_path)
    assert misnamed("draw", defined, {"die"}) == {"ms_ledger_x"}
    assert misnamed("draw", {"ms_die_throw", "ms_draw_x", "ms_drawn"}, {"die"}) == {"ms_drawn"}
    assert foreign(needed, defined) == {"exp"}
