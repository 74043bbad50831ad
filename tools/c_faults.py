"""Faults that people make in one line of C: what a mutant of the core may be.

Kinds: a comparison turned or off by one, + for -, && for ||, a condition negated or a part of it dropped, a term of a
sum dropped, a constant off by one or another of its enum, an index that is another, a variable for one of its type, two
arguments of a call in each other's place, a loop that ends one early, a statement dropped, a function left too early.
What the compiler refuses, or compiles to the same code, is for the caller to leave out.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# \b and blanks keep ->, <<, >= and pointers out.
OPERATORS = {
    "comparison": (
        (r" < ", (" <= ", " > ")),
        (r" <= ", (" < ",)),
        (r" > ", (" >= ", " < ")),
        (r" >= ", (" > ",)),
        (r" == ", (" != ",)),
        (r" != ", (" == ",)),
    ),
    "arithmetic": (
        (r" \+ ", (" - ",)),
        (r" - ", (" + ",)),
        (r" \* (?=[a-z(0-9])", (" / ",)),
        (r" / ", (" * ",)),
        (r" % ", (" / ",)),
        (r" \+= ", (" -= ", " = ")),
        (r" -= ", (" += ", " = ")),
        (r" \*= ", (" = ",)),
        (r" \|= ", (" = ",)),
        (r"\+\+", ("--",)),
        (r"(?<!-)--(?!-)", ("++",)),
        (r" << 16", ("",)),
    ),
    "logic": ((r" && ", (" || ",)), (r" \|\| ", (" && ",)), (r"(?<=[ (])!(?=[a-z(])", ("",))),
    "constant": (
        (r"(?<=[ (\[-])1(?=[;,) \]])", ("0", "2")),
        (r"(?<=[ (\[])0(?=[;,) \]])", ("1",)),
        (r"(?<=[ (])0\.0(?=[;,) ])", ("1.0",)),
        (r"(?<=[ (])1\.0(?=[;,) ])", ("0.0", "2.0")),
        (r"(?<=[ (])2\.0(?=[;,) ])", ("1.0",)),
        (r"(?<=[ (])0\.5(?=[;,) ])", ("1.0",)),
        (r"(?<=[ (])2(?=[;,) \]])", ("1", "3")),
        (r"\bINFINITY\b", ("0.0",)),
        (r" \+ 1\b(?!\.)", ("",)),
        (r" - 1\b(?!\.)", ("",)),
    ),
    "index": ((r"(?<=\w)\[(?!0\])[^\[\]]+\](?! =)", ("[0]",)),),
    "loop": ((r"(?<=; )(\w+ < [^;&|]+)(?=;)", (r"\1 - 1",)),),
    "return": ((r"(?<=\breturn )[^;]*(?=;)", ("0", "1")),),
}
# Joined parts, and what ends a part beyond its brackets.
JOINED = {
    "term": (r" [+-] ", r" [+-] | [<>=!&|?:]+ | [-+*/&|]= |[,;]|$"),
    "condition": (r" (?:&&|\|\|) ", r" (?:&&|\|\||[?:=]) |[,;]|$"),
}

# From where on a part stands that `&&` or `||` follows.
FIRST_PART = re.compile(
    r"(?:(?<=\()|(?<=\breturn )|(?<=&& )|(?<=; )|(?<=\|\| )|(?<=[^=!<>][=?:] ))(?:[^()&|?:;]|\([^()]*\))*$"
)
CONDITION = re.compile(r"^(\s*(?:\} else )?(?:if|while) )\((.*)\) \{$")
CHOICE = re.compile(r"(?:(?<=\w = )|(?<=return )|(?<=[,:] )|(?<=\())([^?;=(),:]+|\([^?;]*\)|[\w>.-]+\([^?;()]*\)) \? ")
NO_STATEMENT = r"\(void\)|return\b|const\b|static\b|goto\b|case\b|default\b|else\b"
STATEMENT = re.compile(rf"^\s+(?=\S)(?!{NO_STATEMENT})[^={{}}#]*[^{{}}#]*;$")

# To the processor, and files of nothing else: they change no result.
HINT, HINTS = re.compile(r"prefetch|ms_early|ms_(?:page|cache|standings)_expect|ms_expect_"), {"expect"}
# The sanitizers' business, which shows nowhere else: memory that is not given back, or asked for in other amounts.
FREED = re.compile(r"free\(|ms_(?:store|memory)_give\(")
MEMORY = re.compile(rf"{FREED.pattern}|\w+alloc\(|MS_ERR_MEMORY|== NULL \|\||ms_memory_take\(")
ARRAY = re.compile(r"^\s+(?:const |static |unsigned )*[a-z_0-9]+ \**\w+\[")  # its length is memory, too
TYPE = r"(?:struct \w+|(?:ms_)?[a-z_0-9]+)"
DECLARATION = re.compile(rf"^\s+(?:const |static |enum |unsigned )*{TYPE}(?: const)? [*a-z_]+[^(]*(?: =|;|,|\[)")
INITIAL = r"(?: = [^,;]*|\[[^\]]*\])?"
DECLARED = re.compile(
    rf"(?:^|[(,;]|\bconst\b)\s*(?:const )?({TYPE}) (\**)(\w+)({INITIAL}(?:, \w+{INITIAL})*)(?=[,;)=])"
)
CALL = re.compile(r"(?<=\w)\([^()]*\)")  # what it is given is not declared
MORE = re.compile(r", (\w+)")
NO_TYPE = {"return", "else", "case", "goto", "sizeof", "struct", "enum", "const", "static"}
MEMBER = re.compile(rf"^ {{4}}({TYPE}) (\**)(\w+(?:, \w+)*);")


@dataclass(frozen=True)
class Mutant:
    """Line `number` (from 1) of csrc/`file`, and what stands there instead."""

    file: str
    number: int
    before: str
    after: str
    kind: str

    def __str__(self) -> str:
        after = self.after.strip() or "(nothing)"
        return f"csrc/{self.file}:{self.number}: [{self.kind}] {self.before.strip()}  ->  {after}"


@dataclass
class _Function:
    """What a line may lean on: the type of its function, and the variables declared so far."""

    returns: str = "void"
    variables: dict[str, str] = field(default_factory=dict)  # name to type, with its stars

    def declare(self, code: str) -> None:
        while " = " in code and CALL.search(code):
            code = CALL.sub("", code)
        for kind, stars, name, more in DECLARED.findall(code):
            if kind in NO_TYPE:
                continue
            self.variables[name] = kind + stars
            if not stars:
                self.variables |= dict.fromkeys(MORE.findall(more), kind)


def members_of(folder: Path) -> dict[str, list[str]]:
    """For members of structs, others of the same struct and type; for constants of enums, others of the same."""
    others: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted([*folder.glob("*.h"), *folder.glob("*.c")]):
        for constants in re.findall(r"^enum \w+ \{(.*?)\}", path.read_text(), re.M | re.S):
            names = re.findall(r"\bMS_[A-Z0-9_]+\b", re.sub(r"/\*.*?\*/", "", constants, flags=re.S))
            for name in names:
                others[name] += [other for other in names if other != name]
        for body in re.findall(r"^(?:typedef )?struct \w+ \{\n(.*?)^\}", path.read_text(), re.M | re.S):
            by_type: defaultdict[str, list[str]] = defaultdict(list)
            for kind, stars, several in (m.groups() for m in map(MEMBER.match, body.splitlines()) if m):
                by_type[kind + stars] += several.split(", ")
            for names in by_type.values():
                for name in names:
                    others[name] += [other for other in names if other != name]
    return others


def mutants_of(path: Path, members: dict[str, list[str]]) -> Iterator[Mutant]:
    """All mutants of one file; of a header, those of its inline functions."""
    if path.stem in HINTS:
        return
    commented, function, counts = False, _Function(), path.suffix == ".c"
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, 1):
        starts_commented = commented
        commented = "*/" not in line if commented else "/*" in line and "*/" not in line
        code = re.sub(r"\s*/\*.*$", "", line)
        if code in {"{", "}"}:
            counts = code == "{" or path.suffix == ".c"
        if starts_commented or not code.strip() or code.lstrip().startswith(("#", "static const ms_", "extern")):
            continue
        guarded = lines[number] if code.endswith("{") and number < len(lines) else ""
        guards = HINT.search(guarded) or FREED.search(guarded) or (code.endswith("NULL) {") and MEMORY.search(guarded))
        if MEMORY.search(code) or HINT.search(code) or guards:
            function.declare(code)
            continue
        if re.match(r"[A-Za-z]", code) and "(" in code:
            function = _Function(returns="void" if re.match(r"([A-Z_]+ |static |inline )*void \w", code) else "a value")
        elif counts and code.startswith((" ", "\t")) and not _is_of_signature(code):
            changes = dict.fromkeys(_changes(code, function, members))
            yield from (Mutant(path.name, number, code, after, kind) for kind, after in changes)
        function.declare(code)


def _is_of_signature(code: str) -> bool:
    return bool(re.match(r" {8,}(?:const |struct )?\w+ \*{0,2}\w+(?:, |\)$)", code)) and not code.endswith(";")


def _changes(code: str, function: _Function, members: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for kind, operators in OPERATORS.items():
        for pattern, others in () if kind == "index" and ARRAY.match(code) else operators:
            for match in re.finditer(pattern, code):
                yield from (
                    (kind, code[: match.start()] + match.expand(other) + code[match.end() :]) for other in others
                )
    if condition := CONDITION.match(code):
        yield "logic", f"{condition[1]}(!({condition[2]})) {{"
    for choice in CHOICE.finditer(code):
        yield "logic", f"{code[: choice.start(1)]}!({choice[1]}){code[choice.end(1) :]}"
    yield from _parts_dropped(code)
    yield from _arguments_swapped(code, function.variables)
    indent = re.match(r"\s*", code)[0]  # type: ignore[index]
    if STATEMENT.match(code) and not DECLARATION.match(code):
        yield "statement", indent + ";"
        leave = "return;" if function.returns == "void" else "return 0;"
        yield "early return", f"{indent}{leave} {code.strip()}"
    for match in re.finditer(r"(?<![\w.>])[a-z_]\w*(?!\w|\()", code):
        its = function.variables.get(match[0])
        same = [name for name, other in function.variables.items() if other == its and name != match[0]]
        yield from (("variable", code[: match.start()] + name + code[match.end() :]) for name in same if its)
    for match in re.finditer(r"(?<=\.|>)[a-z_]\w*(?!\w|\()", code):
        names = members.get(match[0], [])
        yield from (("variable", code[: match.start()] + name + code[match.end() :]) for name in names)
    for match in re.finditer(r"\bMS_[A-Z0-9_]+\b(?!\()", code):
        names = members.get(match[0], [])
        yield from (("constant", code[: match.start()] + name + code[match.end() :]) for name in names)


def _parts_dropped(code: str) -> Iterator[tuple[str, str]]:
    """Sums without a term after the first, and conditions without one of two parts."""
    for kind, (joint, ends) in JOINED.items():
        for match in re.finditer(joint, code):
            end = _end_of_part(code, match.end(), ends)
            if end > match.end():
                yield kind, code[: match.start()] + code[end:]
            before = FIRST_PART.search(code[: match.start()])
            if kind == "condition" and before:
                yield kind, code[: before.start()] + code[match.end() :]


def _end_of_part(code: str, start: int, ends: str) -> int:
    depth = 0
    for i in range(start, len(code)):
        if depth == 0 and (code[i] in ")]" or re.match(ends, code[i:])):
            return i
        depth += (code[i] in "([") - (code[i] in ")]")
    return len(code)


def _arguments_swapped(code: str, variables: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Calls with two neighbouring variables of one type in each other's place."""
    for match in re.finditer(r"(?:(?<=\()|(?<=, ))(?=([a-z_]\w*), ([a-z_]\w*)[,)])", code):
        if match[1] != match[2] and variables.get(match[1], "?") == variables.get(match[2]):
            yield "argument", f"{code[: match.start()]}{match[2]}, {match[1]}{code[match.end(2) :]}"


def drawn(mutants: Iterable[Mutant], chance: random.Random) -> Iterator[Mutant]:
    """All of them in a random order in which each line has the same chance to come first, and then each kind."""
    by_line: defaultdict[tuple[str, int], list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_line[mutant.file, mutant.number].append(mutant)
    while by_line:
        for line in chance.sample(sorted(by_line), len(by_line)):
            yield _take(by_line[line], chance)
            if not by_line[line]:
                del by_line[line]


def _take(mutants: list[Mutant], chance: random.Random) -> Mutant:
    kinds: Sequence[str] = sorted({mutant.kind for mutant in mutants})
    kind = chance.choice(kinds)
    mutant = chance.choice([m for m in mutants if m.kind == kind])
    mutants.remove(mutant)
    return mutant
