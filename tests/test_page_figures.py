"""Figures that several pages tell of the shipped studies are those of one page's tables, and of the scenarios."""

import math
import re
from pathlib import Path

import pytest
from pages import ROOT

import messsim

NUMBER = re.compile(r"[\d,]+(?:\.\d+)?")
JOULES, GPUS, RENT, KEPT, BEST_MIX = "J a request", "GPUs", "USD an hour", "promise kept", "best mix, J"
README, QUICKSTART, NOTEBOOK = (ROOT / p for p in ("README.md", "docs/quickstart.md", "examples/first-study.ipynb"))
DISPATCH = QUICKSTART.with_name("dispatch.md")
Table = dict[str, dict[str, float]]
SESSIONS = "sessions of 8 turns, prefix caches"


def words(path: Path) -> str:
    """A page's text, or a notebook's, its lines joined by single spaces."""
    return " ".join(path.read_text(encoding="utf-8").replace("\\n", " ").replace('"', " ").replace(" , ", " ").split())


def tables(page: Path) -> list[Table]:
    """The tables of a page that compare routers: the first figure of a cell, by router and head."""
    collected = []
    for block in re.findall(r"(?:^\|.*\n)+", page.read_text(encoding="utf-8"), re.MULTILINE):
        head, _, *rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in block.splitlines()]
        kept = [k for k, name in enumerate(head) if name in (JOULES, GPUS, RENT, KEPT, BEST_MIX)]
        figures = {row[0]: {head[k]: float(NUMBER.findall(row[k])[0].replace(",", "")) for k in kept} for row in rows}
        collected += [figures] if JOULES in head else []
    return collected


def part(table: Table, one: str, other: str, of: str = JOULES) -> float:
    return table[one][of] / table[other][of]


def less(table: Table, one: str, other: str, of: str = JOULES) -> int:
    """By how many whole per cent one is at least below the other."""
    return math.floor(100 - 100 * part(table, one, other, of))


def more(table: Table, one: str, other: str, of: str = JOULES) -> int:
    """By how many whole per cent one is at least above the other."""
    return math.floor(100 * part(table, one, other, of) - 100)


def saved(row: dict[str, float]) -> int:
    """By how many whole per cent MESS+ is at least below the best mix of its own row."""
    return math.floor(100 - 100 * row[JOULES] / row[BEST_MIX])


# one fleet, fleets of their own, the tuning half, other dispatch
ONE, OWN, _, TRIED = tables(QUICKSTART)
MIX, SINGLE = "best fixed mix", "best single model"
LINUCB, SURER = "LinUCB, `eta` = 2, by the rule", "LinUCB, `eta` = 3"
LEAST_LOADED, TEN_SEEDS, AS_IT_IS = TRIED.values()
ONE[SINGLE] = ONE["best single model, the 51B"]
PHRASES = {
    "with {:.0f} % of the energy of the only model": (README, 100 * part(ONE, "MESS+", SINGLE)),
    "{:.0f} % less than the best fixed mix": (README, less(ONE, "MESS+", MIX)),
    "{:.0f} % less than LinUCB": (README, less(ONE, "MESS+", LINUCB)),
    "the mix needs {:.0f} GPUs": (README, OWN[MIX][GPUS]),
    "and the single model {:.0f}.": (README, OWN[SINGLE][GPUS]),
    "draws {:.0f} % of the joules": (QUICKSTART, 100 * part(ONE, "MESS+", SINGLE)),
    "and {:.0f} % less than the best mix": (QUICKSTART, less(ONE, "MESS+", MIX)),
    "it costs {:.0f} % more than MESS+": (QUICKSTART, more(ONE, LINUCB, "MESS+")),
    "it costs {:.0f} % more and keeps": (QUICKSTART, more(ONE, SURER, "MESS+")),
    "costs {:.1f} times the rent": (QUICKSTART, part(OWN, SINGLE, "MESS+", RENT)),
    "and {:.1f} times the energy of MESS+": (QUICKSTART, part(OWN, SINGLE, "MESS+")),
    "the mix {:.1f} times the rent": (QUICKSTART, part(OWN, MIX, "MESS+", RENT)),
    "draws {:.0f} % less than the mix": (QUICKSTART, saved(LEAST_LOADED)),
    "64 requests: {:.0f} % less than the mix": (QUICKSTART, saved(TEN_SEEDS)),
    "draws {:.0f} % less a request": (DISPATCH, math.floor(100 - 100 * AS_IT_IS[JOULES] / LEAST_LOADED[JOULES])),
}


def measured(table: str) -> dict[str, list[float]]:
    """A table of the accuracy page: the first number of each cell of errors, by the row's name."""
    block = (ROOT / "docs" / "accuracy.md").read_text(encoding="utf-8").split(f"<!-- table: {table} -->")[1]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in block.split("<!-- end -->")[0].split("\n")
    ]
    return {row[0]: [float(cell.split(" / ")[0]) for cell in row[2:]] for row in rows if " / " in row[-1]}


def test_what_the_readme_says_of_accuracy_is_what_the_accuracy_page_says():
    served, energy = measured("served-summary"), measured("energy-summary")
    ttft, tpot, whole = zip(*(served[e] for e in ("vllm 0.12.0", "sglang 0.5.1.post1", "trtllm 1.0.0rc3")), strict=True)
    fitted, other = (
        [c[2] for row, c in energy.items() if row.startswith(f"{k}, ") and "host" not in row]
        for k in ("fitted", "not fitted")
    )
    text = words(README)
    assert "off by {:.1f} % (vLLM), {:.1f} % (SGLang) and {:.1f} % (TensorRT-LLM)".format(*whole) in text
    of_tpot, of_ttft, of_fitted, of_other = (f"{min(v):.0f} to {max(v):.0f} %" for v in (tpot, ttft, fitted, other))
    assert f"per token by {of_tpot}, times to the first token by {of_ttft}" in text
    assert f"by {of_fitted} where it was fitted and by {of_other}" in text


def test_what_is_told_of_energy_that_was_not_fitted_and_of_deepseeks_throughput_is_what_the_tables_say():
    page = ROOT / "docs" / "accuracy.md"
    block = page.read_text(encoding="utf-8").split("<!-- table: energy-summary -->")[1].split("<!-- end -->")[0]
    counts = {
        row: int(count) for row, count in re.findall(r"^\| (not fitted, [^|]*?) \| (\d+) \|", block, re.MULTILINE)
    }
    energy = measured("energy-summary")
    joules = sum(n * energy[row][2] for row, n in counts.items()) / sum(counts.values())
    assert f"and {joules:.1f} % elsewhere (code completion" in words(page)
    rates = [errors[0] for row, errors in measured("energy-groups").items() if row.startswith("DeepSeek")]
    low, high = math.floor(min(rates) + 0.5), math.floor(max(rates) + 0.5)
    assert f"of DeepSeek on 8 B200 {low} to {high} % too high" in words(page)
    assert f"throughput of its 22 rows is {low} to {high} % too high" in words(page)
    assert f"throughput of DeepSeek on 8 B200 under vLLM 0.11 is predicted {low} to {high} % too high" in words(README)


@pytest.mark.parametrize("phrase", PHRASES)
def test_what_pages_tell_of_the_quickstart_is_what_its_tables_say(phrase):
    page, value = PHRASES[phrase]
    assert phrase.format(value) in words(page)


def test_the_quickstart_reaches_its_aim():
    assert ONE["MESS+"][KEPT] >= 0.9 * 20
    assert part(ONE, "MESS+", SINGLE) <= 1 / 2
    assert part(ONE, "MESS+", MIX) <= 2 / 3
    assert part(ONE, "MESS+", LINUCB) <= 1
    assert {**ONE["MESS+"], BEST_MIX: ONE[MIX][JOULES]} == AS_IT_IS


@pytest.mark.parametrize(
    "page",
    [README, ROOT / "docs" / "index.md", ROOT / "docs" / "stress-des.md", QUICKSTART, NOTEBOOK],
    ids=lambda p: p.name,
)
def test_pages_tell_the_quickstarts_fleet(page):
    models = messsim.load(ROOT / "scenarios" / "quickstart.toml").models
    assert f"{sum(m.replicas * m.tp for m in models)} H100s" in words(page)


@pytest.mark.parametrize("page", [README, ROOT / "docs" / "index.md", QUICKSTART, NOTEBOOK], ids=lambda p: p.name)
def test_pages_tell_the_quickstarts_promise(page):
    assert f"{100 * messsim.load(ROOT / 'scenarios' / 'quickstart.toml').sla.alpha:g} %" in words(page)


def test_a_request_that_a_page_follows_is_one_of_its_run():
    followed = re.findall(r"Request ([\d,]+) of `messsim run (\S+\.toml)", words(ROOT / "docs" / "architecture.md"))
    assert followed
    for number, scenario in followed:
        assert int(number.replace(",", "")) < (messsim.load(ROOT / scenario).requests or 0)


def test_the_readmes_rates_are_those_of_the_bench_page():
    page = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")
    ]
    table = page.split("<!-- table: one-core -->")[1].split("<!-- end -->")[0]
    one_core = {row[0]: row[1:] for row in rows if len(row) == 3 and f"| {row[0]} |" in table}
    now = [one_core[name] for name in ("cluster", "no servers", SESSIONS)]
    text = words(README)
    times, rates = ([float(row[k].replace(",", "")) for row in now] for k in (1, 0))
    assert "{:.1f} S requests a second on one core, {:.1f} S without servers, {:.1f} S in".format(*times) in text
    assert "{:.2f}, {:.2f} and {:.2f} million on".format(*(rate / 1e6 for rate in rates)) in text


def test_the_readmes_rates_of_other_builds_and_beside_others_are_those_of_the_bench_page():
    page = (ROOT / "bench" / "README.md").read_text(encoding="utf-8")

    def cells(table: str) -> list[list[str]]:
        block = page.split(f"<!-- table: {table} -->")[1].split("<!-- end -->")[0]
        return [[c.strip() for c in line.strip("|").split("|")] for line in block.strip().splitlines()[2:]]

    builds = {row[0]: [min(float(value) for value in cell.split(",")) for cell in row[1:]] for row in cells("builds")}
    uncounted, avx2 = ([builds[name][k] for name in ("cluster", "no servers", SESSIONS)] for k in (2, 1))
    text = words(README)
    assert "without counts of what runs do, it is {:.1f}, {:.1f} and {:.1f} S, and, with".format(*uncounted) in text
    assert "for AVX2 alone {:.1f}, {:.1f} and {:.1f} S".format(*avx2) in text
    times = sorted(int(row[4]) for row in cells("peers") if row[1] == "aisimulate")
    assert "simulates {} to {} times as many requests a CPU second".format(*times) in text
    peers = {(row[0], row[1]): row[3] for row in cells("peers")}
    comparison = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")
    for name, shown in (("messsim", "messsim | 0.1.0"), ("aisimulate", "AISimulate, vLLM's scheduler | ")):
        row = next(line for line in comparison.splitlines() if line.startswith(f"| {shown}"))
        assert row.endswith("| {} | {} |".format(*(peers[f"serving, {r}", name] for r in ("1 replica", "8 replicas"))))
