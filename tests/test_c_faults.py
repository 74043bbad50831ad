"""Mutants of C that the tool draws: what stands in a line, and what may stand there instead."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE / "tools"))
import c_faults  # noqa: E402

HEADER = """enum ms_colour { MS_RED, MS_GREEN /* MS_BLUE */ };
typedef struct ms_thing {
    int32_t first, last;
    double width_s;
    double height_s;
} ms_thing;
"""


def mutants(folder: Path, *body: str) -> set[tuple[str, str]]:
    """Kind and text of all mutants of the last line of a function whose lines these are."""
    (folder / "thing.h").write_text(HEADER)
    lines = ["int of(const ms_thing *self, int32_t n, int32_t least)", "{", *(f"    {line}" for line in body), "}"]
    (folder / "thing.c").write_text("\n".join(lines) + "\n")
    every = c_faults.mutants_of(folder / "thing.c", c_faults.members_of(folder))
    return {(m.kind, m.after.strip()) for m in every if m.number == len(lines) - 1}


@pytest.mark.parametrize(
    ("line", "kind", "after"),
    [
        ("use(self->first, n + 1);", "statement", ";"),
        ("use(self->first, n + 1);", "early return", "return 0; use(self->first, n + 1);"),
        ("use(self->first, n + 1);", "variable", "use(self->last, n + 1);"),
        ("use(self->first, n + 1);", "variable", "use(self->first, least + 1);"),
        ("use(self->first, n + 1);", "arithmetic", "use(self->first, n - 1);"),
        ("use(self->first, n + 1);", "term", "use(self->first, n);"),
        ("total = a(n) * 2 + b(n, 3) - c[n] / 4;", "term", "total = a(n) * 2 - c[n] / 4;"),
        ("total = a(n) * 2 + b(n, 3) - c[n] / 4;", "term", "total = a(n) * 2 + b(n, 3);"),
        ("const int both = 1 + n > 2 && self->first;", "term", "const int both = 1 > 2 && self->first;"),
        ("use(n, least);", "argument", "use(least, n);"),
        ("use(self, n, least, self);", "argument", "use(self, least, n, self);"),
        ("for (int32_t i = 0; i < n; i++) {", "loop", "for (int32_t i = 0; i < n - 1; i++) {"),
        ("for (int32_t i = 0; i < n; i++) {", "constant", "for (int32_t i = 1; i < n; i++) {"),
        ("for (int32_t i = 0; i < n && f(i); i++) {", "condition", "for (int32_t i = 0; f(i); i++) {"),
        ("if (n > 0 && least > 0) {", "condition", "if (n > 0) {"),
        ("if (n > 0 && least > 0) {", "condition", "if (least > 0) {"),
        ("if (n > 0 && least > 0) {", "logic", "if (n > 0 || least > 0) {"),
        ("if (n > 0 && least > 0) {", "logic", "if (!(n > 0 && least > 0)) {"),
        ("const int is = n != 1 && f(n) || least;", "condition", "const int is = f(n) || least;"),
        ("const int is = n != 1 && f(n) || least;", "condition", "const int is = n != 1 && least;"),
        ("const int is = n != 1 && f(n) || least;", "condition", "const int is = n != 1 && f(n);"),
        ("self->colour = MS_RED;", "constant", "self->colour = MS_GREEN;"),
        ("self->wide_s = self->width_s;", "variable", "self->wide_s = self->height_s;"),
        ("return n <= least;", "comparison", "return n < least;"),
        ("return n <= least;", "return", "return 1;"),
    ],
)
def test_a_line_has_the_mutant(tmp_path: Path, line: str, kind: str, after: str) -> None:
    assert (kind, after) in mutants(tmp_path, line)


@pytest.mark.parametrize(
    ("line", "absent"),
    [
        ("use(self, n);", "use(n, self);"),  # of other types
        ("self->colour = MS_RED;", "self->colour = MS_BLUE;"),  # which a comment names
        ("free(self->first);", ";"),  # the sanitizers see to memory
        ("ms_memory_give(self);", ";"),
        ("self->first = ms_memory_take(n + 1);", "self->first = ms_memory_take(n);"),
        ("__builtin_prefetch(self + n);", ";"),  # changes no result
        ("ms_early(self + n);", ";"),
        ("self->first = self->first;", "self->first = self->width_s;"),
    ],
)
def test_a_line_has_no_such_mutant(tmp_path: Path, line: str, absent: str) -> None:
    assert absent not in {after for _, after in mutants(tmp_path, line)}


def test_comments_and_declarations_are_left_alone(tmp_path: Path) -> None:
    assert not mutants(tmp_path, "/* n + 1, n && least */")
    assert ("statement", ";") not in mutants(tmp_path, "int32_t sum = n + least;")


def test_arguments_of_an_initial_value_are_no_declarations(tmp_path: Path) -> None:
    drawn = mutants(tmp_path, "const int32_t both = of(of(n, least), self), more = 1;", "use(self, more);")
    assert ("variable", "use(self, both);") in drawn
    assert ("variable", "use(n, more);") not in drawn


@pytest.mark.parametrize(
    "line",
    [
        "__builtin_prefetch(self + n);",
        "ms_early(self + n);",
        "ms_expect_things(self, n);",
        "ms_standings_expect(self, n);",
        "free(self + n);",
    ],
)
def test_what_only_guards_a_hint_or_memory_is_left_alone(tmp_path: Path, line: str) -> None:
    mutants(tmp_path, "for (; n > 0 && least > 0; n--) {", f"    {line}", "}")
    assert not list(c_faults.mutants_of(tmp_path / "thing.c", {}))


def test_each_line_comes_before_any_comes_twice(tmp_path: Path) -> None:
    import random

    mutants(tmp_path, "use(n + 1);", "use(n - 1);", "return least;")
    every = list(c_faults.mutants_of(tmp_path / "thing.c", {}))
    lines = [m.number for m in c_faults.drawn(every, random.Random(1))]
    assert sorted(lines[:3]) == [3, 4, 5]
    assert len(lines) == len(every)


def test_a_file_of_hints_has_none(tmp_path: Path) -> None:
    mutants(tmp_path, "use(n + 1);")
    (tmp_path / "thing.c").rename(tmp_path / "expect.c")
    assert not list(c_faults.mutants_of(tmp_path / "expect.c", {}))


def test_of_a_header_inline_functions_alone(tmp_path: Path) -> None:
    function = "MS_INLINE int32_t ms_thing_last(const ms_thing *self)\n{\n    return self->last;\n}\n"
    twice = "#define TWICE(n) \\\n    use(n + 1); \\\n    use(n - 1)\n"
    table = "static const int TABLE[2] = {1,\n                             0 + 2};\n"
    (tmp_path / "thing.h").write_text(HEADER + function + twice + table + "int ms_thing_of(int n, int least);\n")
    every = list(c_faults.mutants_of(tmp_path / "thing.h", c_faults.members_of(tmp_path)))
    assert {str(m).partition("[")[0] for m in every} == {"csrc/thing.h:9: "}
    assert {m.after.strip() for m in every} == {"return 0;", "return 1;", "return self->first;"}
