"""Reference pages made from what they describe: the scenario's JSON Schema and the command line itself.

They stand in the repository, so that links to them work wherever the documentation is read; `python
tools/reference_pages.py` writes them anew, and a test fails where they are out of date.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["REFERENCE", "cli_page", "formats_page", "pages", "scenario_page"]

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"

Schema = dict[str, Any]

INTRO = """\
# Scenario keys

A scenario is one TOML file. This page is made from its JSON Schema, which `messsim schema` prints. A key without a
default must be given. Unknown keys are errors, and nothing is converted silently.

Values can be changed on the command line: `--set router.V=1e-3`, `--set models.0.replicas=2` or, by name,
`--set models.small.replicas=2`.
"""

FORMATS = """\
# Files of other tools

`messsim import FILE` knows these files by their columns, in this order; `--from NAME` insists on one, and `--from log`
on none. This page is made from the table that it reads. Options such as `--time` and `--prompt-tokens` go before it.
Where several names stand in a cell, versions of the tool differ, and the first that is there counts.
"""

# Laws that stand in several places are described once, under the name that their most telling member has here.
LAWS = {"FromTrace": "Token laws", "ExponentialDelay": "Delay laws"}

BOUNDS = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
HUGE = 1e9  # greater bounds only keep arithmetic exact
WORDS = {"number": "number", "integer": "whole number", "string": "string", "boolean": "true or false"}


def pages() -> dict[str, str]:
    """The content of each generated file of `REFERENCE`."""
    from messsim.scenario import schema

    return {"scenario.md": scenario_page(schema()), "cli.md": cli_page(), "formats.md": formats_page()}


def main() -> None:
    """Writes the files."""
    for name, text in pages().items():
        (REFERENCE / name).write_text(text, encoding="utf-8")


def formats_page() -> str:
    """The files of other tools that `messsim import` knows by their columns."""
    from messsim.logs.presets import PRESETS

    lines = [FORMATS.rstrip(), "", "| `--from` | file | times | prompt tokens | answer tokens | known by |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for p in PRESETS:
        title = f"[{p.title}]({p.source})" if p.source.startswith("http") else p.title
        unit = f" ({p.unit})" if p.unit != "auto" else ""
        if p.lacks:
            cells = [f"refused: it {p.refusal}", "", ""]
        else:
            earlier = f" less `{p.took}`" if p.took else ""
            times = f"{_named(p.time)}{unit}{earlier}" if p.time else "none: lengths alone"
            cells = [times, _named(p.prompt), _named(p.output)]
        lines.append(f"| `{p.name}` | {title} | {' | '.join(cells)} | {_named(tuple(p.tell), ' and ')} |")
    return "\n".join(lines) + "\n"


def _named(columns: tuple[str, ...], between: str = ", ") -> str:
    """At most three names; of those that stand for each other the first."""
    shown = [f"`{c.split('|')[0]}`" for c in columns[:3]]
    return between.join(shown) + (", ..." if len(columns) > 3 else "")


def cli_page() -> str:
    """The command line in Markdown, as Typer tells it."""
    import typer.cli
    import typer.main

    from messsim.cli import app

    command = typer.main.get_command(app)
    page = typer.cli.get_docs_for_click(obj=command, ctx=typer.Context(command), name="messsim", title="Command line")
    page = re.sub(r"\*\*Commands\*\*:.*?(?=^## )", "", page, count=1, flags=re.DOTALL | re.MULTILINE)  # cut-off lines
    return f"{page.rstrip()}\n{_EXITS}\n<!-- made with Typer {typer.__version__} -->\n"


_EXITS = """
## Exit codes

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | a run could not go on, or a check did not pass |
| 2 | bad input, or nowhere to write: the message names file, key, value and what was expected |
| 130, 143, 129, ... | ended by Ctrl-C, SIGTERM, SIGHUP or another signal (128 and its number); nothing is left behind |
"""


def scenario_page(schema: Schema) -> str:
    """Every key of the scenario file in Markdown: value, default, meaning; each has an anchor, such as ``router.V``."""
    laws: dict[str, Schema] = {}
    root = {"properties": schema["properties"], "required": schema["required"]}
    lines = [INTRO, "## Top level", "", *_rows(root, "", schema, laws)]
    for key, field in schema["properties"].items():
        lines += _section(key, field, schema, laws, depth=2)
    for title, union in laws.items():
        lines += ["", f"## {title}", *_union(union, title.split()[0].lower(), schema, laws, depth=3)]
    return "\n".join(lines) + "\n"


def _section(path: str, field: Schema, schema: Schema, laws: dict[str, Schema], depth: int) -> Iterator[str]:
    """The heading and the keys of a table, and of the tables inside it; nothing for a plain value."""
    form = _without_null(field)
    many = form.get("type") == "array"
    if many:
        form = form["items"]
    if "discriminator" in form:
        yield from ["", f"{'#' * depth} `[{path}]`", "", _sentence(field)]
        yield from _union(form, path, schema, laws, depth + 1)
        return
    if "$ref" not in form:
        return
    table = _resolved(form, schema)
    name = f"[[{path}]]" if many else f"[{path}]"
    yield from ["", f"{'#' * depth} `{name}`", "", table["description"], "", *_rows(table, path, schema, laws)]
    for key, inner in table["properties"].items():
        yield from _section(f"{path}.{key}", inner, schema, laws, depth + 1)


def _union(form: Schema, path: str, schema: Schema, laws: dict[str, Schema], depth: int) -> Iterator[str]:
    """The tables that a `kind` chooses between."""
    for kind, ref in form["discriminator"]["mapping"].items():
        table = _resolved({"$ref": ref}, schema)
        yield from ["", f"{'#' * depth} `kind = {json.dumps(kind)}`", "", table["description"], ""]
        rows = {k: v for k, v in table["properties"].items() if k != "kind"}
        if rows:
            yield from _rows(table | {"properties": rows}, f"{path}.{kind}", schema, laws)
        for key, inner in rows.items():
            yield from _section(f"{path}.{key}", inner, schema, laws, depth + 1)


def _rows(table: Schema, path: str, schema: Schema, laws: dict[str, Schema]) -> Iterator[str]:
    """A table's keys."""
    required = table.get("required", [])
    yield from ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
    for key, field in table["properties"].items():
        anchor = f"{path or 'top'}.{key}"
        default = "required" if key in required else _default(field)
        yield f"| <a id='{anchor}'></a>`{key}` | {_value(field, schema, laws)} | {default} | {field['description']} |"


def _value(field: Schema, schema: Schema, laws: dict[str, Schema]) -> str:
    """What may be written, in a few words."""
    if "anyOf" in field or ("oneOf" in field and "discriminator" not in field):
        forms = [f for f in field.get("anyOf") or field["oneOf"] if f.get("type") != "null"]
        return ", or ".join(dict.fromkeys(_value(f, schema, laws) for f in forms))
    if "discriminator" in field:
        return _law(field, laws)
    if "$ref" in field:
        return "table"
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return ", ".join(f"`{json.dumps(word)}`" for word in field["enum"])
    if "prefixItems" in field:
        return f"[{', '.join(_value(f, schema, laws) for f in field['prefixItems'])}]"
    if field.get("type") == "array":
        return f"list: {_value(field['items'], schema, laws)}"
    if field.get("type") == "object":
        inner = field.get("additionalProperties")
        return f"table: {_value(inner, schema, laws)} by name" if isinstance(inner, dict) and inner else "table"
    stated = {key: field[key] for key in BOUNDS if key in field and not (key == "maximum" and field[key] > HUGE)}
    bounds = [f"{BOUNDS[key]} {_plain(bound)}" for key, bound in stated.items()]
    return " ".join([WORDS[field["type"]], " and ".join(bounds)]).strip()


def _law(union: Schema, laws: dict[str, Schema]) -> str:
    """A link to the section of a law; of tables that have a section of their own, just that."""
    names = [ref.rsplit("/", 1)[1] for ref in union["discriminator"]["mapping"].values()]
    title = next((LAWS[name] for name in names if name in LAWS), None)
    if title is None:
        return "table"
    laws[title] = union
    return f"[{title.lower().removesuffix('s')}](#{title.lower().replace(' ', '-')})"


def _default(field: Schema) -> str:
    value = field.get("default")
    if value is None:
        return "none" if "default" in field else "empty"
    if isinstance(value, dict):
        bare = {k: v for k, v in value.items() if k != "kind" and v is not None}
        if "kind" not in value:
            return "as below"
        if bare.keys() == {"tokens"}:
            return f"`{value['kind']}` {_plain(bare['tokens'])}"
        if any(isinstance(v, str) for v in bare.values()):  # its keys have rows of their own
            bare = {}
        return ", ".join([f"`{value['kind']}`", *(f"{k} = {_plain(v)}" for k, v in bare.items())])
    return f"`{json.dumps(value)}`"


def _plain(bound: Any) -> str:
    """A number in full where it is whole."""
    return str(int(bound)) if isinstance(bound, float) and bound == int(bound) else str(bound)


def _without_null(field: Schema) -> Schema:
    """The only form of a field that may also be left out."""
    forms = [f for f in field.get("anyOf", [field]) if f.get("type") != "null"]
    return forms[0] if len(forms) == 1 else {}


def _resolved(form: Schema, schema: Schema) -> Schema:
    resolved: Schema = schema["$defs"][form["$ref"].rsplit("/", 1)[1]]
    return resolved


def _sentence(field: Schema) -> str:
    text = str(field["description"])
    return text[0].upper() + text[1:] + "."


if __name__ == "__main__":
    main()
