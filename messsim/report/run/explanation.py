"""One decision as a table."""

from rich.console import Group, RenderableType

from messsim.shapes.checks import Explanation, Record
from messsim.wording import cost

from ..base.screen import Text
from ..base.tables import Fitting, number, seconds
from .starts import start_line

__all__ = ["explanation"]


def explanation(explained: Explanation) -> RenderableType:
    """What `study.explain` found."""
    record = explained["record"]
    whose = (
        ""
        if explained["instance"] is None
        else f" of instance {explained['instance']:,} (of {explained['instances']:,})"
    )
    head = Text(
        f"request {explained['request']:,} of tenant {record['tenant']}, decision {explained['step']:,}{whose}: "
        f"{explained['how']}",
        style="bold",
    )
    parts: list[RenderableType] = [head]
    line = f"alpha = {explained['alpha']:g}, Q = {explained['queue']:.6g}"
    if explained["V"] is not None:
        line += f", V = {explained['V']:g}; least V cost + Q (alpha - score) wins"
    parts += [Text(line), Text(), _models(explained), Text(), _fate(record)]
    parts += [start_line(pool, start) for pool, start in explained.get("starts", {}).items()]
    return Group(*parts)


def _models(explained: Explanation) -> RenderableType:
    columns = ("", "model", "score", "cost", "V cost", "Q (alpha - score)", "sum")
    table = Fitting(columns, spare=("Q (alpha - score)", "V cost"), left=2)
    for model in explained["models"]:
        terms = (model["v_cost"], model["q_shortfall"], model["total"])
        table.add_row(
            ">" if model["chosen"] else "",
            model["name"],
            f"{model['score']:.4f}",
            number(model["cost"]),
            *["-" if t is None else f"{t + 0.0:.6g}" for t in terms],  # no -0
            style="bold" if model["chosen"] else "",
        )
    return table


def _fate(record: Record) -> Text:
    if record["status"] != "completed":
        return Text(f"{record['status'].replace('_', ' ')} at {record['model']}")
    good = "satisfied" if record["satisfied"] >= 0.5 else "did not satisfy"
    where = "" if record["replica"] is None else f" on replica {record['replica']}"
    return Text(
        f"{record['model']}{where}: {record['prompt_tokens']:,} prompt and {record['output_tokens']:,} output tokens, "
        f"first token after {seconds(record['first_token_s'] - record['arrival_s'])}, done after "
        f"{seconds(record['finish_s'] - record['arrival_s'])}, {cost(record['energy_j'], 'J')}; it {good}"
    )
