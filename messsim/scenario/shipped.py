"""The scenarios that come with messsim: in an installed package, or in the source tree."""

from pathlib import Path

from messsim.errors import ScenarioError

from .loading import load
from .problems import near

__all__ = ["files_of", "shipped", "shipped_folder"]


def shipped_folder() -> Path:
    """The folder that they are in.

    Raises
    ------
    ScenarioError
        If it is not there.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "shipped", package.parent / "scenarios"):
        if (folder / "quickstart.toml").exists():
            return folder
    raise ScenarioError(f"the scenarios that come with messsim are missing; expected them in {package / 'shipped'}")


def shipped(name: str) -> Path:
    """The file of a shipped scenario, by its name: ``burst``, ``paper/mmlu-pro``.

    Raises
    ------
    ScenarioError
        If there is none of that name; with all names.
    """
    folder = shipped_folder()
    names = sorted(str(p.relative_to(folder).with_suffix("")) for p in folder.rglob("*.toml"))
    asked = name.removesuffix(".toml").removeprefix("scenarios/")
    if asked not in names:
        raise ScenarioError(f"{name}: no such example{near(asked, names)}; there are {', '.join(names)}")
    return folder / f"{asked}.toml"


def files_of(file: Path) -> list[Path]:
    """A shipped scenario and the files that it names, relative to its folder."""
    scenario = load(file)
    named = [getattr(table, "file", None) for table in (scenario.arrivals, scenario.satisfaction, scenario.tokens)]
    named += [name for _, name in scenario.python_files]
    named.append(scenario.router.predictor.warm_start)
    return [Path(file.name), *dict.fromkeys(Path(name) for name in named if name is not None)]
