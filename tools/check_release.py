"""Whether a tag may be released: the package, the citation and the changelog must speak of the same version.

python tools/check_release.py v0.1.0
"""

import re
import sys
import tomllib
from pathlib import Path

__all__ = ["ROOT", "problems"]

ROOT = Path(__file__).parent.parent


def problems(tag: str, root: Path = ROOT) -> list[str]:
    """One line for each file that does not fit the tag; empty if all do."""
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    cited = re.search(r"^version: (\S+)$", (root / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    headings = re.findall(r"^## (\S+)", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    wanted = tag.removeprefix("v")
    mistakes = []
    if not tag.startswith("v") or version != wanted:
        mistakes.append(f"pyproject.toml: version = {version!r}; expected the tag {tag!r} to be 'v{version}'")
    if cited is None or cited[1] != version:
        mistakes.append(f"CITATION.cff: version: {cited[1] if cited else 'missing'}; expected {version}")
    if wanted not in headings:
        mistakes.append(f"CHANGELOG.md: no heading '## {wanted}'; the newest is '## {headings[0] if headings else ''}'")
    return mistakes


if __name__ == "__main__":
    mistakes_of_tag = problems(sys.argv[1])
    print("\n".join(mistakes_of_tag))
    sys.exit(1 if mistakes_of_tag else 0)
