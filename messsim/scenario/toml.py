"""Reading TOML files, with errors that name the file and the cure."""

import codecs
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

from messsim.errors import ScenarioError
from messsim.files import read_bytes, what_is_wrong, why

__all__ = ["MOST_PARTS", "Table", "has_deep_key", "read_toml"]

DATA = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".gz", ".zst", ".log")
YAML = re.compile(r"[\w.-]+:(\s|$)")
AT_LINE = re.compile(r"\(at line (\d+), column \d+\)")
CURLED = re.compile(r"[\u201c-\u201e\u2018\u2019](.*?)(?:[\u201c-\u201e\u2018\u2019]\s*(?:#.*)?)?")
COMMENT = re.compile(r"\s*#.*")
WORD = re.compile(r"[A-Za-z][\w.+/-]*")
MEANT_WORDS = {"true": "expected true", "yes": "expected true", "false": "expected false", "no": "expected false"}
MEANT_WORDS |= dict.fromkeys(("none", "null", "nil"), "leave the key out")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
COMMA = re.compile(r"[+-]?\d+,\d+")  # a decimal comma
Table = dict[str, Any]  # of TOML: whatever a file holds, before it is validated

MOST_BYTES = 256 << 20
MOST_PARTS = 1000  # of a key: the parser takes more than quadratic time for them, minutes of 200 kB
DOTTED = re.compile(r"[\w\"'-]++(?:[ \t]*+\.[ \t]*+[\w\"'-]++)*+")


def read_toml(file: Path, what: str) -> Table:
    """What a TOML file holds; `what` it was expected to be is told where there is no such file.

    Raises
    ------
    ScenarioError
        If it cannot be read, or is no TOML.
    """
    try:
        text = read_bytes(file, MOST_BYTES).decode("utf-8-sig")  # some editors put a byte order mark in front
    except UnicodeDecodeError as error:
        if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise ScenarioError("is text in UTF-16; expected UTF-8, as most editors can save it", str(file)) from None
        byte = error.object[error.start]
        raise ScenarioError(f"not UTF-8 text: byte {error.start} is 0x{byte:02x}", str(file)) from None
    except OSError as error:
        raise ScenarioError(why(error, f"{what} in TOML"), str(file)) from None
    if has_deep_key(text):
        raise ScenarioError("not valid TOML: nested too deeply", str(file))
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ScenarioError(
            f"not valid TOML: {what_is_wrong(error)}{_what_else(text, file, what) or _slip(text, str(error))}",
            str(file),
        ) from None
    except RecursionError:
        raise ScenarioError("not valid TOML: nested too deeply", str(file)) from None


def _what_else(text: str, file: Path, what: str) -> str:
    """What a text may be that is no TOML, and what helps."""
    if file.suffix.lower() == ".ipynb":
        return f"; it is a notebook: expected {what} in TOML, or messsim.run(...) in a cell of it"
    if file.suffix.lower() in DATA and what == "a scenario":
        return f"; it holds data: messsim init --from {shlex.quote(str(file))} makes a scenario of traffic"
    if text.lstrip().startswith(("{", "[{")):
        return f"; it is JSON: expected {what} in TOML, or in Python messsim.parse(json.load(file))"
    first = next((line for line in text.splitlines() if line.strip() and not line.startswith(("#", "---"))), "")
    if YAML.match(first):
        return f"; it looks like YAML: expected {what} in TOML, key = value below [table]"
    return ""


def _slip(text: str, error: str) -> str:
    """What is likely wrong with the line that the parser stopped at, and how it is written."""
    lines = text.split("\n")
    number = AT_LINE.search(error)  # none at the end of the text
    line = lines[int(number[1]) - 1 if number else -1].strip()
    key, equals, value = (part.strip() for part in line.partition("="))
    if error.startswith("Cannot overwrite a value"):
        if not equals:
            return f"; {line} stands beside the same name in single brackets, or a key"
        if sum(other.partition("=")[0].strip() == key for other in lines) > 1:
            return f"; {key} stands twice"
        return f"; {key} makes a table of what is a value, or a value of a table"
    if error.startswith(("Unescaped", "Invalid hex value")):
        return "; a path takes slashes, or stands in single quotes: 'C:\\data'"
    if curled := CURLED.fullmatch(value):
        return f'; the quotes of TOML are straight: "{curled[1]}"'
    value = COMMENT.sub("", value)
    if error.startswith("Invalid value") and WORD.fullmatch(value):
        quoted = f'text stands in quotes: "{value}"'
        return f"; {MEANT_WORDS.get(value.lower(), quoted)}"
    if THOUSANDS.fullmatch(value):
        return f"; expected {value.replace(',', '')}, or {value.replace(',', '_')}"
    return f"; expected a point in {value}" if COMMA.fullmatch(value) else ""


def has_deep_key(text: str) -> bool:
    """Whether a text has a key of more parts than the parser should see."""
    lines = (line for line in text.split("\n") if line.count(".") >= MOST_PARTS)
    return any(match[0].count(".") >= MOST_PARTS for line in lines for match in DOTTED.finditer(line))
