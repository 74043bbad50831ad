"""A challenge as tables of a terminal, and as a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from messsim.shapes.challenge import Cell, Challenge, Standing
from messsim.wording import cost_heading, number, percent, request_unit, seconds

if TYPE_CHECKING:
    from rich.console import RenderableType

    from messsim.plot.figure import Figure

    from ..base.page import Page

__all__ = ["challenge_page", "challenge_report", "challenge_tables", "quote"]

COST = "cost"
COLUMNS: dict[str, Callable[[Cell], str]] = {
    "kept": lambda c: f"{c.kept} of {c.runs}",
    "kept from": lambda c: compliance(c),
    "satisfied": lambda c: percent(c.satisfaction),
    "answered": lambda c: percent(c.answered),
    COST: lambda c: number(c.cost),
    "x oracle": lambda c: number(c.x_oracle),
    "e2e p95": lambda c: seconds(c.e2e_p95_s),
    "rank": lambda c: f"{c.rank:.1f}",
}
HOW = (
    "Ranks: who keeps the promise before who does not, the former by cost of an answer, the latter by how much is "
    "missing; a run that fails is last. x oracle: cost over that of an oracle that satisfies as much on the same "
    "requests in the same cluster."
)


QUICK_LOOK = (
    "A quick look, of one replication: it shows that every policy runs. Which is better is within the noise; "
    "without --quick there are replications, and intervals."
)


def compliance(cell: Cell) -> str:
    """The mean request from which the promise holds, and in how many replications where not in all."""
    if cell.compliant_from is None:
        return "never"
    often = "" if cell.compliant == cell.runs else f" ({cell.compliant} of {cell.runs})"
    return f"{cell.compliant_from:,.0f}{often}"


def _standing(s: Standing, first: str) -> list[str]:
    rank = f"{s.rank:.2f}" if s.rank_high is None else f"{s.rank:.2f} ± {s.rank_high - s.rank:.2f}"
    if s.difference is None:
        against = "-"
    elif s.high is None:
        against = f"{s.difference:+.2f}"
    else:
        against = f"{s.difference:+.2f} ± {s.high - s.difference:.2f}"
    return [s.policy, rank, against, f"{s.kept} of {s.runs}", number(s.x_oracle)]


def _heads(challenge: Challenge) -> list[str]:
    return ["policy", "mean rank", f"against {challenge.policies[0]}", "promise kept", "x oracle"]


def _of(challenge: Challenge, condition: str) -> list[Cell]:
    return sorted((c for c in challenge.cells if c.condition == condition), key=lambda c: c.rank)


def _columns(cells: Sequence[Cell], unit: str) -> dict[str, Callable[[Cell], str]]:
    """Without the share of answers where every request is answered."""
    everybody = all(c.answered == 1.0 for c in cells if c.answered is not None)
    scale = request_unit(unit)[0]
    shown = {name: label for name, label in COLUMNS.items() if not (everybody and name == "answered")}
    shown[COST] = lambda c: number(None if c.cost is None else scale * c.cost)
    return {cost_heading(unit) if name == COST else name: label for name, label in shown.items()}


def challenge_tables(challenge: Challenge) -> RenderableType:
    """Where the policies stand, then every condition."""
    from rich.console import Group

    from ..base.screen import Text
    from ..base.tables import Fitting

    total = Fitting(_heads(challenge))
    for standing in challenge.standings:
        total.add_row(*_standing(standing, challenge.policies[0]))
    parts: list[RenderableType] = [Text(quote(challenge), style="bold"), Text("")]
    if challenge.replications == 1:
        parts += [Text(QUICK_LOOK, style="yellow"), Text("")]
    parts.append(total)
    for condition in challenge.conditions:
        cells = _of(challenge, condition)
        columns = _columns(cells, challenge.cost_units[condition])
        table = Fitting(
            [f"{condition}, {percent(challenge.alphas[condition])}", *columns], spare=["satisfied", "kept from"]
        )
        for cell in cells:
            table.add_row(cell.policy, *(label(cell) for label in columns.values()))
        parts += [Text(""), table]
        parts += [Text(f"{c.policy} failed: {c.error}", style="yellow") for c in cells if c.error]
    parts += [Text(""), Text(HOW, style="dim")]
    if challenge.replications > 1:
        parts.append(Text(f"± is half of a 95 % interval over {challenge.replications} replications", style="dim"))
    return Group(*parts)


def _apart(best: Standing, other: Standing) -> bool:
    """Whether the intervals of two mean ranks do not overlap; without intervals nobody knows."""
    if best.rank_high is None or other.rank_low is None:
        return False
    return best.rank_high < other.rank_low


def _headline(challenge: Challenge, first: Sequence[str]) -> str:
    """Who is first, as far as intervals tell."""
    of = len(challenge.policies)
    if challenge.replications == 1:
        return f"A quick look at {of} policies: one replication does not tell who is best"
    best = challenge.standings[0]
    if len(first) == of:
        return f"No policy's mean rank is apart from the best, {best.policy}'s {best.rank:.2f} of {of}"
    return f"{', '.join(first)} {'has' if len(first) == 1 else 'share'} the best mean rank, {best.rank:.2f} of {of}"


def challenge_page(challenge: Challenge, questions: Mapping[str, str] | None = None) -> Page:
    """The report of a challenge.

    Parameters
    ----------
    questions
        What each condition asks, where it is known.
    """
    from ..base.page import Page, Section, Table, Tile

    best, leading = challenge.standings[0], challenge.standings[: 4 if challenge.replications > 1 else 0]
    first = [s.policy for s in challenge.standings if s is best or not _apart(best, s)]
    all_kept = [s.policy for s in challenge.standings if s.kept == s.runs]
    tables = [
        Table(
            f"{condition}: {percent(challenge.alphas[condition])} promised",
            ["policy", *(columns := _columns(cells, challenge.cost_units[condition]))],
            [[cell.policy, *(label(cell) for label in columns.values())] for cell in cells],
        )
        for condition in challenge.conditions
        if (cells := _of(challenge, condition))
    ]
    asked = [[c, questions[c]] for c in challenge.conditions if questions and c in questions]
    standings = Table(
        "All conditions", _heads(challenge), [_standing(s, challenge.policies[0]) for s in challenge.standings]
    )
    failed = [f"{c.policy} failed under {c.condition}: {c.error}" for c in challenge.cells if c.error]
    return Page(
        title="Challenge",
        subtitle=quote(challenge),
        kept=None,
        headline=_headline(challenge, first),
        verdict=f"{len(all_kept)} of {len(challenge.policies)} policies keep the promise in every run"
        + (f": {', '.join(all_kept)}." if all_kept else "."),
        tiles=[Tile(s.policy, f"{s.rank:.2f}", f"kept in {s.kept} of {s.runs} runs") for s in leading],
        notes=[QUICK_LOOK] * (challenge.replications == 1) + failed,
        sections=[
            Section(
                "standings", "Where do they stand?", HOW, figures=_charts(challenge), tables=[standings], wide=True
            ),
            *(
                [
                    Section(
                        "asked",
                        "What does each condition ask?",
                        tables=[Table("The conditions", ["condition", "question"], asked, words=True)],
                    )
                ]
                * bool(asked)
            ),
            Section("conditions", "Condition by condition", tables=tables),
        ],
        footer=f"{quote(challenge)}. Scenarios SHA-256 {challenge.scenarios_sha256}.",
    )


def _charts(challenge: Challenge) -> list[Figure]:
    """Mean ranks, and how often each policy kept the promise of each condition."""
    import polars as pl

    from messsim.plot.challenge import kept_chart, ranks_chart

    ranks = [(s.policy, s.rank, s.rank_low, s.rank_high) for s in challenge.standings]
    kept = [
        (c.condition, c.policy, c.kept / c.runs if c.runs else 0.0, f"{c.kept} of {c.runs}") for c in challenge.cells
    ]
    order = [s.policy for s in challenge.standings]
    return [
        ranks_chart(pl.DataFrame(ranks, {"policy": pl.String, "rank": pl.Float64, "low": pl.Float64,
                                         "high": pl.Float64}, orient="row")),
        kept_chart(pl.DataFrame(kept, ["condition", "policy", "share", "told"], orient="row"), order),
    ]  # fmt: skip


def challenge_report(challenge: Challenge) -> dict[str, bytes]:
    """The page beside a challenge, by the name of its file."""
    from messsim.plot.figure import library
    from messsim.study.challenge.conditions import questions

    from ..base.page import html

    library()
    return {"report.html": html(challenge_page(challenge, questions()))}


def quote(challenge: Challenge) -> str:
    """One line by which a result can be cited and made again."""
    n = challenge.replications
    seeds = f"replications 0 to {n - 1}" if n > 1 else "replication 0"
    files = "".join(f", {name} {digest[:12]}" for name, digest in challenge.policies_sha256.items())
    seed = "" if challenge.seed is None else f" of seed {challenge.seed}"
    many = len(challenge.conditions)
    return (
        f"messsim {challenge.version}, challenge of {many} condition{'s' * (many != 1)} "
        f"{challenge.scenarios_sha256[:12]}, "
        f"{seeds}{seed}{files}"
    )
