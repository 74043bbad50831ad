"""The verification itself: right servers agree with theory, slower ones do not, and wrong theory is noticed.

Small sizes here; the full verification, and the full one of servers 3 % slower, are behind ``slow``.
"""

import dataclasses
import json
import math
import re
from collections import OrderedDict

import numpy as np
import pytest
from pages import ROOT
from scipy import stats
from test_cli import here, refused

from messsim.errors import ScenarioError
from messsim.report.verification import COLUMNS, verification_page
from messsim.study.verify import cases, queues, verification, verify
from messsim.study.verify import theory as formulas
from messsim.study.verify.cases import Case, Experiment, experiments

M_M_1 = next(e for e in experiments() if e.scenario.name == "M/M/1")
IDENTITY = next(e for e in experiments() if e.scenario.name == "everything")
SLOW_POWER = 0.99


@pytest.fixture
def few(monkeypatch):
    """Eight replications in place of 32, in this process: wide intervals, by Student's t."""
    monkeypatch.setattr(verification, "REPLICATIONS", 8)
    monkeypatch.setattr("messsim.study.runs.local.cores", lambda: 1)


@pytest.fixture
def half(few, monkeypatch):
    """Sixteen: narrow enough to pass at the size that is asked for."""
    monkeypatch.setattr(verification, "REPLICATIONS", 16)


def failures(result) -> list[str]:
    return [c["name"] for c in result["cases"] if not c["passed"]]


def by_name(result) -> dict:
    return {c["name"]: c for c in result["cases"]}


# ---- servers against theory -----------------------------------------------------------------------------


def test_servers_agree_with_theory(few):
    """A false alarm in 100: fixed seeds."""
    verified = verify(size=0.01)
    assert [c["name"] for c in verified["cases"] if not c["agrees"]] == []
    assert len(verified["cases"]) == 40
    assert len({c["name"] for c in verified["cases"]}) == 40


def test_every_timing_case_notices_servers_that_are_slower(few):
    verified = verify(size=0.01, slow_server=1.2)
    assert [c["name"] for c in verified["cases"] if c["timing"] and c["agrees"]] == []
    assert [c["name"] for c in verified["cases"] if not c["timing"] and not c["agrees"]] == []
    assert verified["passed"] is False


@pytest.mark.slow
def test_the_full_verification():
    verified = verify()
    assert failures(verified) == []
    assert all(c["relative_half_width"] <= 0.01 for c in verified["cases"])
    table = verification_page(verified).split("\n\n")[1]
    assert table in (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_three_per_cent_are_noticed_with_power():
    """Every timing case fails, and would in 99 of 100 repetitions: by the spread of its replications."""
    verified = verify(slow_server=1.03)
    t = stats.t.ppf(0.5 + verified["level"] / 2, verified["replications"] - 1)
    for case in (c for c in verified["cases"] if c["timing"]):
        beyond = abs(case["relative_error"]) - case["relative_half_width"] - case["bias"] / case["theory"]
        assert beyond / (case["relative_half_width"] / t) > stats.norm.ppf(SLOW_POWER), case["name"]


# ---- a verdict can be no --------------------------------------------------------------------------------


def with_case(experiment: Experiment, **changes) -> Experiment:
    return dataclasses.replace(experiment, cases=(dataclasses.replace(experiment.cases[0], **changes),))


def test_wrong_theory_is_noticed_and_bias_allows_for_it(half):
    right = M_M_1.cases[0].theory
    for changes, passed in (
        ({"theory": right}, True),
        ({"theory": right * 2}, False),
        ({"theory": right / 2}, False),
        ({"theory": right / 2, "bias": 2.0}, True),
    ):
        (case,) = verify(size=0.05, chosen=[with_case(M_M_1, **changes)])["cases"]
        assert case["agrees"] is case["passed"] is passed


def test_an_identity_is_held_to_the_last_digits(few):
    metered = IDENTITY.cases[0].theory
    for theory, passed in ((metered, True), (lambda run: metered(run) * (1 + 1e-6), False)):
        verified = verify(chosen=[dataclasses.replace(with_case(IDENTITY, theory=theory), requests=500)])
        assert verified["passed"] is passed


def test_an_interval_that_is_too_wide_says_nothing(few):
    few_requests = dataclasses.replace(M_M_1, requests=4_000)
    case = by_name(verify(chosen=[few_requests]))["M/M/1, wait"]
    assert (case["agrees"], case["narrow"], case["passed"]) == (True, False, False)


def test_the_family_shares_its_chance(few):
    verified = verify(size=0.01, chosen=[M_M_1])
    assert verified["level"] == pytest.approx(1 - 0.01 / 4)
    case = verified["cases"][0]
    assert case["ci_low"] < case["simulated"] < case["ci_high"]
    assert (case["ci_high"] - case["ci_low"]) / 2 == pytest.approx(case["relative_half_width"] * case["theory"])


def test_neither_processes_nor_the_engine_change_a_figure(few, monkeypatch):
    monkeypatch.setattr(verification, "LEAST_REQUESTS", 200)
    chosen = [M_M_1, IDENTITY]
    cases = verify(chosen=chosen, size=1e-9)["cases"]
    assert verify(chosen=chosen, size=1e-9, workers=2)["cases"] == cases
    assert verify(chosen=chosen, size=1e-9, engine="simpy")["cases"] == cases


def test_another_seed_gives_other_figures(few):
    one, two = (verify(size=0.01, chosen=[M_M_1], seed=s)["cases"][0]["simulated"] for s in (1, 2))
    assert one != two


# ---- the parts ------------------------------------------------------------------------------------------


def test_slower_servers_take_longer_and_nothing_else():
    scenario = IDENTITY.scenario
    slow = queues.slower(scenario, 1.5)
    for before, after in zip(scenario.models, slow.models, strict=True):
        for name, value in before.coefficients:
            seconds = name.endswith("_s") or "_s_per_" in name
            expected = value * 1.5 if seconds else value
            if name == "knots" and value is not None:
                expected = [(tokens, s * 1.5) for tokens, s in value]
            if name == "host":
                expected = value.model_copy(update={n: v * 1.5 for n, v in value if n.split("_")[1:2] == ["s"]})
            assert getattr(after.coefficients, name) == expected, name
        assert after.model_copy(update={"coefficients": before.coefficients}) == before
    assert slow.changed(models=scenario.models) == scenario


def test_a_request_alone_takes_what_the_moments_say():
    """The service time that M/G/1 is told, against one request on the server."""
    import tomllib

    from builders import run

    from messsim.scenario import dump

    settings = queues.queue("one", 1.0, 150, prompt=1_500, **cases._profile("Llama-3.1-8B", "H100"))
    r = run(tomllib.loads(dump(settings)))
    service_s = cases._service_s(r.setup.pools[0].coefficients, 1_500, 150)
    assert r.records.finish_s[0] - r.records.start_s[0] == pytest.approx(service_s, rel=1e-12)


def test_two_sizes_have_their_moments():
    weights, tokens = cases.TWO_SIZES["weights"], cases.TWO_SIZES["tokens"]
    mean = sum(w * t for w, t in zip(weights, tokens, strict=True))
    square = sum(w * t * t for w, t in zip(weights, tokens, strict=True))
    assert mean == queues.TOKENS
    assert square / mean**2 - 1 == pytest.approx(cases.TWO_SIZES_SCV)


def test_the_approximation_of_a_cache_is_as_good_as_is_stated():
    """Against a cache that is played: 400,000 draws, of which 1 in 1,000 of the hits is a standard error."""
    items, exponent, places, draws = 1_000, 0.8, 100, 400_000
    shares = np.arange(1.0, items + 1) ** -exponent
    asked = np.random.default_rng(5).choice(items, draws, p=shares / shares.sum()).tolist()
    there: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for n, item in enumerate(asked):
        hits += item in there and n >= draws // 20
        there[item] = None
        there.move_to_end(item)
        if len(there) > places:
            there.popitem(last=False)
    (experiment,) = cases._cached()
    bias = experiment.cases[0].bias
    assert hits / (draws * 0.95) == pytest.approx(formulas.cached_share(items, exponent, places), rel=bias + 0.003)
    assert formulas.cached_share(10, 0.0, 4) == pytest.approx(0.4)
    assert formulas.cached_share(10, 1.0, 9) > 0.95


def test_priorities_of_one_class_are_none_and_the_first_knows_no_other():
    assert formulas.mm1_priority_wait_s([0.7], 2.0) == [pytest.approx(formulas.mg1_wait_s(0.7, 2.0, 1.0))]
    assert formulas.mm1_priority_response_s([0.7], 2.0) == [pytest.approx(2.0 / 0.3)]
    first, _ = formulas.mm1_priority_response_s([0.3, 0.6], 2.0)
    assert first == pytest.approx(2.0 / 0.7)
    waits = formulas.mm1_priority_wait_s([0.3, 0.4], 2.0)  # which conserve the mean work of all, weighted by load
    assert 0.3 * waits[0] + 0.4 * waits[1] == pytest.approx(0.7 * formulas.mg1_wait_s(0.7, 2.0, 1.0))


def test_bias_is_no_wider_than_a_step():
    for e in experiments():
        for case in e.cases:
            assert isinstance(case, Case)
            assert 0 <= case.bias <= 0.01
            if not any(word in case.name for word in ("Llama", "saturation", "setup")):
                assert case.bias <= 5 / queues.TOKENS + 3.5e-4


def test_the_page_of_the_full_run_has_the_cases_theories_and_biases_of_today():
    page = (ROOT / "docs" / "verification.md").read_text(encoding="utf-8")
    rows = [
        re.split(r" *\| *", line)[1:-1] for line in page.split("| case |")[1].splitlines()[2:] if line.startswith("| ")
    ]
    of_page = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    every = [case for e in experiments() for case in e.cases]
    for case, name, theory, bias in zip(every, *(of_page[c] for c in ("case", "theory", "bias")), strict=True):
        number = float(theory) if callable(case.theory) else case.theory
        assert (name, theory, bias) == (
            f"{case.name}, {case.unit}" if case.unit else case.name,
            f"{number:.6g}",
            f"{100 * case.bias:.2g} %" if case.bias else "0",
        )
    assert f"{sum(e.requests for e in experiments()) * verification.REPLICATIONS:,} requests" in page
    timing = sum(case.timing for case in every)
    assert f"noticed by {timing} of {timing} timing cases" in page


# ---- the command ----------------------------------------------------------------------------------------


@pytest.fixture
def small(half, monkeypatch):
    monkeypatch.setattr(verification, "experiments", lambda: [M_M_1, IDENTITY])


def test_the_command_prints_a_table_and_exits_by_it(small):
    done = here("verify", "--size", "0.05")
    assert (done.returncode, done.stderr) == (0, "")
    assert "M/M/1, wait" in done.stdout
    assert "all 5 cases agree with theory" in done.stdout
    slow = here("verify", "--size", "0.05", "--slow-server", "1.2")
    text = " ".join(slow.stdout.split())
    assert slow.returncode == 1
    assert "noticed by 4 of 4 timing cases" in text
    assert "4 of 5 cases failed" in text
    assert text.count("DIFFERS") == 4


def test_the_command_in_json_and_to_a_directory(small, tmp_path):
    out = tmp_path / "out"
    done = here("verify", "--size", "0.01", "--json", "--out", out)
    data = json.loads(done.stdout)
    assert {"name", "theory", "simulated", "ci_low", "ci_high", "bias", "passed"} <= set(data["cases"][0])
    assert json.loads((out / "verification.json").read_text()) == data
    page = (out / "verification.md").read_text()
    assert page.count("\n| ") == 1 + 1 + 5
    assert "| agrees |" in page
    assert "exists already" in refused(here("verify", "--out", out))


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--engine", "fast", "engine = 'fast': expected one of compiled, simpy"),
        ("--size", "0", "size = 0.0: expected a number above 0"),
        ("--size", "nan", "size = nan: expected"),
        ("--slow-server", "-1", "slow-server = -1.0: expected a number above 0"),
        ("--slow-server", "inf", "slow-server = inf: expected"),
        ("--seed", "-1", "seed = -1: expected a whole number from 0 to 4294967295"),
        ("--seed", str(2**32), "seed = 4294967296: expected a whole number"),
    ],
)
def test_bad_input_is_told(option, value, reason):
    assert reason in refused(here("verify", option, value))


def test_bad_input_is_told_in_python():
    with pytest.raises(ScenarioError, match="size"):
        verify(size=math.nan)
