"""Input that nobody wrote on purpose: damaged bytes, damaged text, extreme values, keys where they do not belong."""

from collections.abc import Iterator
from typing import Any, get_args

from hypothesis import strategies as st
from pydantic import BaseModel

from messsim.scenario import Scenario

HUGE = 10**400
NUMBERS = [
    *(0, 1, -1, 2, 7, 100, 65_536, 2**31 - 1, 2**31, 2**32, 2**53, 2**63, 2**64, HUGE, -HUGE),
    *(0.0, -0.0, 0.5, 1.0, 1.5, -1.0, 1e-9, 1e9, 1e-15, 1e15, 5e-324, 1e-300, 1e300, 1.7976931348623157e308),
    *(float("nan"), float("inf"), float("-inf")),
]
WORDS = ["", " ", "\n", "\0", "ä", "😀", "null", "nan", "mess+", "all", "immediate", "GPU", "{column}", ".", "a" * 300]
EXTREMES = [
    1e-15,
    1e-12,
    1e-9,
    1e-6,
    1e-3,
    0.01,
    1 - 1e-16,
    1,
    2,
    1000,
    65_536,
    1e6,
    10_000_000,
    1e9,
    2**31 - 1,
    1e12,
    1e15,
]
numbers = st.one_of(st.sampled_from(NUMBERS), st.integers(), st.floats(), st.floats(0, 1), st.integers(0, 50))
words = st.one_of(st.sampled_from(WORDS), st.text(max_size=8))
values = st.recursive(
    st.one_of(numbers, words, st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=5,
)


# ---- bytes and text -------------------------------------------------------------------------------------


@st.composite
def damaged(draw, whole: bytes, most: int = 3) -> bytes:
    """A file with some bytes replaced, removed or added."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, most))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 4))] = draw(st.binary(max_size=4))
    return bytes(data)


LITERALS = [
    *(
        "0",
        "-1",
        "1e999",
        "-0.0",
        "nan",
        "inf",
        "1e300",
        "1e-300",
        "5e-324",
        "0x7fffffff",
        "9" * 400,
        "9223372036854775808",
    ),
    *(
        '""',
        '"\\u0000"',
        '"ä"',
        "''",
        "[]",
        "{}",
        "[[]]",
        "true",
        "1979-05-27",
        "07:32:00",
        "[1, 2]",
        '{kind = "poisson"}',
    ),
]


@st.composite
def damaged_toml(draw, text: str) -> str:
    """A scenario file with lines lost, doubled or swapped, and with other values."""
    lines = text.splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(lines) - 1))
        key, equals, value = lines[at].partition("=")
        others = [other.partition("=")[2] for other in lines if "=" in other]
        how = draw(st.sampled_from(["value", "value", "other value", "key", "lose", "double", "swap", "noise"]))
        if how == "value" and equals:
            lines[at] = f"{key}= {draw(st.one_of(st.sampled_from(LITERALS), numbers.map(repr)))}"
        elif how == "other value" and equals:
            lines[at] = f"{key}={draw(st.sampled_from(others))}"
        elif how == "key" and equals:
            lines[at] = f"{draw(st.sampled_from(KEYS))} = {value}"
        elif how == "lose" and len(lines) > 1:
            del lines[at]
        elif how == "double":
            lines.insert(at, lines[at])
        elif how == "swap":
            to = draw(st.integers(0, len(lines) - 1))
            lines[at], lines[to] = lines[to], lines[at]
        elif how == "noise":
            cut = draw(st.integers(0, len(lines[at])))
            lines[at] = lines[at][:cut] + draw(words) + lines[at][cut:]
    return "\n".join(lines) + "\n"


# ---- scenarios as dictionaries --------------------------------------------------------------------------


def tables(annotation: Any) -> Iterator[type[BaseModel]]:
    """The tables that a type names, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from tables(field.annotation)
    for inner in get_args(annotation):
        yield from tables(inner)


KEYS = sorted({f.alias or name for table in tables(Scenario) for name, f in table.model_fields.items()})


def places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a tree: (the table or list, the key or position)."""
    for key, value in list(data.items()) if isinstance(data, dict) else list(enumerate(data)):
        yield data, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def paths(data: Any, before: str = "") -> Iterator[str]:
    """The key path of every place of a tree."""
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield f"{before}{key}"
        if isinstance(value, (dict, list)):
            yield from paths(value, f"{before}{key}.")


def copied(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: copied(v) for k, v in data.items()}
    return [copied(v) for v in data] if isinstance(data, list) else data


UNITS = [0.0, 1e-15, 1e-6, 0.5, 1 - 1e-16, 1.0]


@st.composite
def like(draw, value: float) -> Any:
    """A number in the place of another, of its kind mostly."""
    if draw(st.integers(0, 9)) == 0:
        return draw(numbers)
    if isinstance(value, int):
        return max(round(draw(st.sampled_from(EXTREMES))), 1)
    return draw(st.sampled_from(UNITS if value <= 1 and draw(st.booleans()) else EXTREMES))


@st.composite
def wild(draw, scenarios: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Scenarios of which some values are extreme or of another kind, some keys missing, misplaced or doubled."""
    data: dict[str, Any] = copied(draw(scenarios))
    gently = draw(st.integers(0, 4)) > 0
    for _ in range(draw(st.integers(1, 3))):
        collected = [(t, k) for t, k in places(data) if not gently or type(t[k]) in (int, float)]
        table, key = draw(st.sampled_from(collected)) if collected else (data, next(iter(data)))
        how = "number" if gently else draw(st.sampled_from(["number", "value", "lose", "add"]))
        if how == "number" and isinstance(table[key], (int, float)):
            table[key] = draw(like(table[key]))
        elif how in ("number", "value"):
            table[key] = draw(values)
        elif how == "lose":
            del table[key]
        elif isinstance(table, dict):
            table[draw(st.sampled_from(KEYS))] = draw(values)
        if not data:
            break
    return data
