"""Writes what the door of the core need not say twice; `setup.py` calls it before Cython reads `_core.pyx`.

The headers of `csrc/` alone declare structures, constants and functions of the core. From them come `_core.pxd`, the
declarations that `_core.pyx` uses with what these need, and `_core_fill.pxi`, which has for a structure ms_x what
`_core.pyx` calls of the following.

fill_ms_x(&c, values)
    Sets it from a dict or, in its order, a tuple; a missing or unknown key is an error, and pointers are the caller's.
    Where `_core.pyx` has a `fill_ms_x` of its own, for what needs more, this is `set_ms_x`.
point_ms_x(&c, columns)
    Points its pointers to columns by name; None is NULL.
all_ms_x(dicts), _all_ms_x
    Memory with one for each dict; and a class that is made of such a list and has them as `c`, their number as `n`.
TYPES_OF_ms_x
    Types of its members, as NumPy writes them; of columns, if it has some.
_ms_x, _open_ms_x
    A class that holds one as `c` and shows its numbers, to be the base of a class. Those of the second kind may be set.

From `_core.pyx` comes `_core.pyi`, its types for Python.
"""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
IGNORED = re.compile(r'/\*.*?\*/|"[^"\n]*"', re.DOTALL)  # comments and strings
NUMPY = {"double": "f8", "int64_t": "i8", "int32_t": "i4", "int8_t": "i1", "uint8_t": "u1", "uint32_t": "u4"}
NUMBERS = {*NUMPY, "int", "uint64_t", "size_t"}
KEYWORDS = {"from", "in", "is", "not", "and", "or", "with", "pass"}


class Member(NamedTuple):
    """One member of a structure."""

    type: str  # without const and stars
    name: str
    stars: int
    size: str  # of an array, else empty

    @property
    def bare(self) -> str:
        """Its type, or that of what it points to, without const."""
        return self.type.replace("const ", "")

    @property
    def is_number(self) -> bool:
        """Whether it is one number."""
        return self.type in NUMBERS and not self.stars and not self.size


class Declaration(NamedTuple):
    """What a header says of one name, as Cython writes it; of a structure its members."""

    header: str
    text: str
    members: tuple[Member, ...] = ()
    is_struct: bool = False


# ---- headers ----------------------------------------------------------------------------------------------


def split(text: str) -> list[str]:
    """At commas outside of brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def macros_of(text: str) -> dict[str, tuple[list[str], str]]:
    """Parameters and body of every macro that takes some."""
    defined = re.findall(r"^#define (\w+)\(([^)]*)\)(.*)$", text, re.MULTILINE)
    return {name: (split(parameters), body) for name, parameters, body in defined}


def expanded(body: str, macros: dict[str, tuple[list[str], str]]) -> str:
    """Members of a structure, `TABLE(ROW)` written out."""

    def rows(match: re.Match[str]) -> str:
        parameters, row = macros[match[2]]
        calls = re.findall(r"X\(((?:[^()]|\([^()]*\))*)\)", macros[match[1]][1])
        written = []
        for call in calls:
            line = row
            for parameter, value in zip(parameters, split(call), strict=True):
                line = re.sub(rf"\b{parameter}\b", value.replace("\\", ""), line)
            written.append(line)
        return "\n".join(written)

    return re.sub(r"^#.*$", "", re.sub(r"\b(MS_\w+)\((MS_\w+)\)", rows, body), flags=re.MULTILINE)


def members_of(body: str) -> tuple[Member, ...]:
    """`const double *a, *b[N];` and so on."""
    result = []
    for statement in filter(None, map(str.strip, body.split(";"))):
        if "(" in statement:  # a pointer to a function: nobody outside sets it
            continue
        kind, names = re.fullmatch(r"((?:const |struct )*\w+)\s*(.*)", statement, re.DOTALL).groups()  # type: ignore[union-attr]
        for name in split(names):
            stars, bare, size = re.fullmatch(r"(\**)(\w+)((?:\[[^]]*\])*)", name).groups()  # type: ignore[union-attr]
            result.append(
                Member(kind.split()[-1] if "const" not in kind else kind.replace("struct ", ""), bare, len(stars), size)
            )
    return tuple(result)


def prototype(text: str) -> str:
    """A function, or the type of one, as Cython takes it."""
    text = re.sub(r"\b(static|inline|struct|MS_INLINE|MS_CLONES)\b|__attribute__\(\(.*?\)\)", "", text)
    text = re.sub(r"\benum \w+", "int", text).replace("(void)", "()")
    text = re.sub(r"\b(\w+)(?=[,)])", lambda m: f"{m[1]}_" if m[1] in KEYWORDS else m[1], text)
    return " ".join(text.split())


def declarations_of(header: Path) -> dict[str, Declaration]:
    """By name, what a header declares."""
    text = IGNORED.sub(lambda m: "0" if m[0].startswith('"') else " ", header.read_text(encoding="utf-8")).replace(
        "\\\n", " "
    )
    macros, name, declared = macros_of(text), header.name, {}
    for constant, value in re.findall(r"^#define (MS_\w+) (\S+)$", text, re.MULTILINE):
        kind = "double" if re.search(r"[.e]", value) else "int64_t"
        declared[constant] = Declaration(name, f"const {kind} {constant}")
    while begin := re.search(r"^(?!#)\S.*?([;{])", text, re.MULTILINE | re.DOTALL):
        head, rest = text[begin.start() : begin.end() - 1].strip(), text[begin.end() :]
        body = ""
        if begin[1] == "{":
            end, depth = 0, 1
            while depth:
                depth += {"{": 1, "}": -1}.get(rest[end], 0)
                end += 1
            body, rest = rest[: end - 1], rest[end:]
        if body and re.match(r"enum\b", head):
            rest = rest.split(";", 1)[1]
            enumerated = [re.split(r"\s*=", item)[0] for item in split(expanded(body, macros))]
            declared |= {e: Declaration(name, f"enum: {e}") for e in enumerated if e.startswith("MS_")}
        elif body and head.startswith("typedef struct"):
            struct, rest = rest.split(";", 1)
            members = members_of(expanded(body, macros))
            declared[struct.strip()] = Declaration(name, "", members, True)
        elif callback := re.match(r"typedef .*\(\*(\w+)\)\(", head):
            declared[callback[1]] = Declaration(name, f"{prototype(head.replace('typedef', 'ctypedef', 1))} noexcept")
        elif function := re.search(r"\b(ms_\w+)\(", head):
            declared[function[1]] = Declaration(name, prototype(head))
        text = rest
    return declared


def all_declarations() -> dict[str, Declaration]:
    """Those of all headers."""
    headers = [
        p for p in sorted((ROOT / "csrc").glob("*.h")) if p.name not in ("clones.h", "maths.h", "philox_rounds.h")
    ]
    return {name: d for header in headers for name, d in declarations_of(header).items()}


# ---- declarations for Cython ------------------------------------------------------------------------------


def needed(text: str, declared: dict[str, Declaration]) -> list[str]:
    """The names that a text uses, each after those that it needs itself."""
    order: list[str] = []
    seen: set[str] = set()

    def add(name: str) -> None:
        if name in declared and name not in seen:
            seen.add(name)
            d = declared[name]
            for word in re.findall(r"\w+", " ".join([d.text, *(f"{m.type} {m.size}" for m in d.members)])):
                add(word)
            order.append(name)

    for word in re.findall(r"\w+", text):
        add(word)
    return order


def declaration(name: str, declared: dict[str, Declaration]) -> str:
    """One name for Cython."""
    d = declared[name]
    if not d.is_struct:
        lines = [f"    {d.text}"]
    else:
        known = declared.keys() | NUMBERS | {"char", "float"}
        types = [m.type if m.bare in known else "void" for m in d.members]
        rows = [f"        {t} {'*' * m.stars}{m.name}{m.size}" for t, m in zip(types, d.members, strict=True)]
        rows = rows or ["        pass"]
        lines = [f"    ctypedef struct {name}:", *(row.replace("[]", "[1]") for row in rows)]
    return "\n".join([f'cdef extern from "{d.header}" nogil:', *lines, ""])


def filling(name: str, members: tuple[Member, ...], verb: str) -> str:
    """`fill_ms_x`: sets numbers, structures and arrays of these; pointers are the caller's."""
    pointers = tuple(m.name for m in members if m.stars)
    names = tuple(m.name for m in members if not m.stars)
    lines = [f"cdef int {verb}_{name}({name} *c, object given) except -1:", f"    memset(c, 0, sizeof({name}))"]
    lines += ["    if given is None:", "        return 0"]
    lines += [f'    cdef dict values = by_name(given, {names!r}, {pointers!r}, "{name}")']
    for m in members:
        value = f'values["{m.name}"]'
        if m.size:
            most = m.size.strip("[]")
            set_one = (
                f"fill_{m.type}(&c.{m.name}[k], {value}[k])" if m.type not in NUMBERS else f"c.{m.name}[k] = {value}[k]"
            )
            lines += [f'    check_shape(len({value}) <= {most}, "{name}: more of {m.name} than there is room for")']
            lines += [f"    for k in range(len({value})):", f"        {set_one}"]
        elif m.is_number:
            lines += [f"    c.{m.name} = {value}"]
        elif not m.stars:
            lines += [f"    fill_{m.type}(&c.{m.name}, {value})"]
    return "\n".join([*lines, "    return 0", "", ""])


def pointing(name: str, members: tuple[Member, ...]) -> str:
    """`point_ms_x`: columns of a structure by name; those not named stay."""
    columns = [m for m in members if m.stars == 1 and m.bare in NUMPY]
    names = tuple(m.name for m in columns)
    lines = [f"cdef int point_{name}({name} *c, dict columns) except -1:"]
    lines += [f"    cdef const {m.bare}[::1] {m.name}_" for m in columns]
    lines += [f'    check_shape(columns.keys() <= set({names!r}), f"{name} has no columns but {", ".join(names)}")']
    for m in columns:
        lines += [f'    if columns.get("{m.name}") is not None:', f'        {m.name}_ = columns["{m.name}"]']
        lines += [f"        c.{m.name} = <{m.bare} *>&{m.name}_[0]", f'    elif "{m.name}" in columns:']
        lines += [f"        c.{m.name} = NULL"]
    return "\n".join([*lines, "    return 0", "", ""])


def array(name: str) -> str:
    """`all_ms_x`: memory of several of a structure."""
    lines = [f"cdef object all_{name}(list given):"]
    lines += [f"    memory = np.zeros(max(len(given), 1) * sizeof({name}), np.uint8)"]
    lines += [f"    cdef {name} *c = <{name} *>start_of(memory)", "    for k, one in enumerate(given):"]
    return "\n".join([*lines, f"        fill_{name}(&c[k], one)", "    return memory", "", ""])


def several(name: str) -> str:
    """`_all_ms_x`: what holds them."""
    lines = [f"cdef class _all_{name}:", "    cdef object memory", f"    cdef {name} *c", "    cdef int32_t n", ""]
    lines += [
        "    def __init__(self, list given not None):",
        f"        self.memory, self.n = all_{name}(given), len(given)",
    ]
    return "\n".join([*lines, f"        self.c = <{name} *>start_of(self.memory)", "", ""])


def helpers(text: str, declared: dict[str, Declaration]) -> str:
    """All of these that a text calls."""
    structs = [n for n in declared if declared[n].is_struct]
    filled = {n for n in structs if f"fill_{n}(" in text or re.search(rf"all_{n}[()]", text)}
    while more := {m.type for n in filled for m in declared[n].members if m.type in structs and not m.stars} - filled:
        filled |= more
    verbs = {n: "set" if f"cdef int fill_{n}(" in text else "fill" for n in filled}
    parts = [filling(n, declared[n].members, verbs[n]) for n in structs if n in filled]
    parts += [pointing(n, declared[n].members) for n in structs if f"point_{n}(" in text]
    parts += [array(n) for n in structs if re.search(rf"all_{n}[()]", text)]
    for _, above, block in CLASS.findall(text):
        if above.startswith("_all_"):
            parts.append(several(above.removeprefix("_all_")))
        elif (n := above.removeprefix("_open").removeprefix("_")) in structs:
            parts.append(base(above, n, declared[n].members, set(re.findall(r"\b(?:def|object) (\w+)", block))))
    for n in [n for n in structs if f"TYPES_OF_{n}" in text]:
        columns = [m for m in declared[n].members if m.stars] or declared[n].members
        types = {m.name: NUMPY[m.bare] for m in columns}
        parts.append(f"cdef dict TYPES_OF_{n} = {types!r}\n\n")
    return "\n".join(parts)


# ---- types for Python -------------------------------------------------------------------------------------

CLASS = re.compile(r"^cdef class (\w+)(?:\((\w+)\))?:\n((?: .*\n|\n)*)", re.MULTILINE)
FUNCTION = re.compile(
    r"^( *@(?:property|\w+\.setter)\n)? *def (\w+)\(((?:[^()]|\([^()]*\))*)\)(?: -> (.+?))?:$", re.MULTILINE
)
PLAIN = {"double": "float", "bint": "bool", "str": "str", "dict": "dict[str, Any]", "list": "list[Any]"}
PLAIN |= {"tuple": "tuple[Any, ...]", "object": "Any"} | dict.fromkeys(NUMBERS - {"double"}, "int")


def base(name: str, struct: str, members: tuple[Member, ...], own: set[str]) -> str:
    """`_ms_x` or `_open_ms_x`, without the names that are `own` of the class that it is the base of."""
    lines = [f"cdef class {name}:", f"    cdef {struct} c", ""]
    for m in members:
        if not m.is_number or m.name in own:
            continue
        lines += ["    @property", f"    def {m.name}(self) -> {PLAIN[m.type]}:"]
        lines += [f"        return self.c.{m.name}", ""]
        if name.startswith("_open"):
            lines += [f"    @{m.name}.setter", f"    def {m.name}(self, {m.type} value):"]
            lines += [f"        self.c.{m.name} = value", ""]
    return "\n".join([*lines, ""])


def parameter(text: str) -> str:
    """One of a function, from how Cython writes it to how Python does."""
    if text == "self" or text.startswith("*"):
        return text if text in ("self", "*") else f"{text}: Any"
    left, _, default = (part.strip() for part in text.partition("="))
    if ":" in left and "[" not in left.split(":")[0]:
        name, _, kind = left.partition(":")
    elif array := re.fullmatch(r"(?:const )?(\w+)\[[:, 1]+\] (\w+)(?: not None)?", left):
        name, kind = array[2], f"NDArray[np.{array[1].replace('double', 'float64').removesuffix('_t')}]"
    else:
        words = left.removesuffix(" not None").split()
        name, kind = words[-1], PLAIN.get(words[0], words[0]) if len(words) > 1 else "Any"
    may_be_none = default == "None" or (kind[0].isupper() and kind[1:].isalpha() and "not None" not in left)
    kind = f"{kind} | None" if may_be_none and kind.strip() != "Any" and "None" not in kind else kind
    return f"{name}: {kind.strip()}" + (f" = {default}" if default else "")


def functions(block: str, indent: str) -> list[str]:
    """The public functions of a module or a class."""
    lines = []
    for decorator, name, parameters, result in FUNCTION.findall(block):
        if not name.startswith("_") or name in ("__init__", "__len__"):
            written = ", ".join(parameter(" ".join(p.split())) for p in split(parameters))
            lines += [f"{indent}{decorator.strip()}"] if decorator else []
            lines += [f"{indent}def {name}({written}) -> {result or 'None'}: ..."]
    return lines


def stub(text: str, declared: dict[str, Declaration]) -> str:
    """`_core.pyi`: what the module offers."""
    lines = [
        "# Made by tools/door.py from _core.pyx.",
        "from collections.abc import Iterable, Sequence",
        "from typing import Any, Final",
    ]
    lines += [
        "",
        "import numpy as np",
        "from numpy.typing import ArrayLike, NDArray",
        "",
        "from messsim.errors import PolicyError",
        "",
    ]
    for names, value in re.findall(r"^([A-Z][A-Z_, ]*) = (.*)$", text, re.MULTILINE):
        of_c = declared.get(value.split(",")[0])
        kind = "dict[str, Any]" if value.startswith("{") else "float" if of_c and "double" in of_c.text else "int"
        lines += [f"{name}: Final[{kind}]" for name in names.split(", ")]
    for name, above, block in CLASS.findall(text):
        attributes = re.findall(r"^    cdef (?:readonly|public) object (\w+)", block, re.MULTILINE)
        body = [*(f"    {a}: Any" for a in attributes), *functions(block, "    ")]
        lines += ["", f"class {name}({above}):" if above else f"class {name}:", *(body or ["    pass"])]
    return "\n".join([*lines, "", *functions(re.sub(CLASS, "", text), "")]) + "\n"


def write(package: Path = ROOT / "messsim") -> None:
    """Writes the files that the module's docstring lists."""
    declared = all_declarations()
    text = (package / "_core.pyx").read_text(encoding="utf-8")
    filled = helpers(text, declared)
    names = needed(text + filled, declared)
    integers = "from libc.stdint cimport int8_t, int32_t, int64_t, uint8_t, uint32_t, uint64_t\n"
    written = {
        "_core.pxd": "\n".join([integers, *(declaration(name, declared) for name in names)]),
        "_core_fill.pxi": filled,
        "_core.pyi": stub(filled + text, declared),
    }
    for name, body in written.items():
        path = package / name
        if not path.exists() or path.read_text(encoding="utf-8") != body:
            path.write_text(body, encoding="utf-8")
