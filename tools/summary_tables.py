"""Write the tables of docs/files.md: every field of the summary with its unit and meaning (messsim/summary.py).

    python tools/summary_tables.py

What stands between ``<!-- table: KEYS -->`` and ``<!-- end -->`` is replaced; KEYS are those of the summary whose
fields the table has, or ``run`` for the fields that are in no table of the summary.
"""

import re
from pathlib import Path

from messsim.results.fields import fields_of

PAGE = Path(__file__).resolve().parents[1] / "docs" / "files.md"
_TABLE = re.compile(r"(<!-- table: (?P<keys>[\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
RUN = "run"
OF_THE_RUN = ("scenario", "engine", "seed", "replication", "version")


def table(keys: list[str]) -> str:
    """Return the fields under some keys of the summary, as Markdown."""
    lines = ["| field | unit | meaning |", "| --- | --- | --- |"]
    for key in keys:
        for field in fields_of():
            if field.path.split(".")[0] in (OF_THE_RUN if key == RUN else (key,)):
                lines.append(f"| `{field.path}` | {field.unit}{' ' * bool(field.unit)}| {field.meaning} |")
    return "\n".join(lines)


def spliced(page: str) -> str:
    """Return the page with its tables as they are now."""
    return _TABLE.sub(lambda m: f"{m[1]}\n{table(m['keys'].split())}\n\n{m[3]}", page)


if __name__ == "__main__":
    PAGE.write_text(spliced(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
