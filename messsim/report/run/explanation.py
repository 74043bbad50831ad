"""One decision as a table."""

from rich.console import Group, RenderableType

from messsim.shapes.checks import Explanation, Record
from messsim.wording import cost

from ..base.screen import Text
from ..base.tables import Fitting, number, seconds

__all__ = ["explanation"]


def explanation(found: Explanation) -> RenderableType:
    """What `study.explain` found."""
    record = found["record"]
    whose = "" if found["instance"] is None else f" of instance {found['instance']:,} (of {found['instances']:,})"
    head = Text(
        f"request {found['request']:,} of tenant {record['tenant']}, decision {found['step']:,}{whose}: {found['how']}",
        style="bold",
    )
    parts: list[RenderableType] = [head]
    line = f"alpha = {found['alpha']:g}, Q = {found['queue']:.6g}"
    if found["V"] is not None:
        line += f", V = {found['V']:g}; least V cost + Q (alpha - score) wins"
    parts += [Text(line), Text(), _models(found), Text(), _fate(record)]
    return Group(*parts)


def _models(found: Explanation) -> RenderableType:
    columns = ("", "model", "score", "cost", "V cost", "Q (alpha - score)", "sum")
    table = Fitting(columns, spare=("Q (alpha - score)", "V cost"), left=2)
    for model in found["models"]:
        terms = (model["v_cost"], model["q_shortfall"], model["total"])
        table.add_row(
            ">" if model["chosen"] else "",
            model["name"],
            f"{model['score']:.4f}",
            number(model["cost"]),
            *["-" if t is None else f"{t:.6g}" for t in terms],
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
