"""Write the tables and pictures of docs/accuracy.md from a data directory.

    python tools/build_accuracy.py [DATA]      DATA: by default ../shared/data beside the repository

What stands between ``<!-- table: NAME -->`` and ``<!-- end -->`` is replaced; the prose around it is left alone. The
same tables give the same bytes. Measured readings are shown only where the source's licence is clear: of the
ML.ENERGY tables, errors alone.
"""

import argparse
import re
from pathlib import Path

from messsim.report.accuracy import group_table, row_table, summary_table, unknown_table
from messsim.report.accuracy_plots import accuracy_svg
from messsim.study.validate import validate

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = (DOCS / "accuracy.md", DOCS / "accuracy-rows.md")
_TABLE = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables(data: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the tables of the pages as Markdown, and the pictures as SVG, by name."""
    found = validate(data)
    texts = {}
    for name, part in found.items():
        texts[f"{name}-summary"] = summary_table(part)
        texts[f"{name}-groups"] = group_table(part)
        texts[f"{name}-rows"] = row_table(part, readings=name == "served")
        texts[f"{name}-unknown"] = unknown_table(part)
    return texts, accuracy_svg(found)


def spliced(page: str, texts: dict[str, str]) -> str:
    """Return a page with its tables replaced."""
    return _TABLE.sub(lambda m: f"{m[1]}\n{texts[m['name']]}\n\n{m[3]}", page)


def main() -> None:
    """Read the data directory of the command line and write pages and pictures."""
    parser = argparse.ArgumentParser(description="Write the tables and pictures of docs/accuracy.md.")
    parser.add_argument("data", nargs="?", type=Path, default=REPOSITORY.parent / "shared" / "data")
    texts, pictures = tables(parser.parse_args().data)
    for page in PAGES:
        page.write_text(spliced(page.read_text(encoding="utf-8"), texts), encoding="utf-8")
    for name, svg in pictures.items():
        (DOCS / f"accuracy-{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
