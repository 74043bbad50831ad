"""Numbers, units and ranges as people write them."""

import json
import re

import pytest
import tomli_w
from builders import scenario
from test_cli import here, refused

from messsim.amounts import SHARE, TIME, amount, count, names_in, spaced
from messsim.errors import ScenarioError
from messsim.results.figures import Requirement, figures
from messsim.study.runs.points import points_of

KNOWN = figures(
    {
        "sla": {"satisfaction": 0.5, "kept": True},
        "requests": {"rejected": 3},
        "latency_s": {"ttft": {"p95": 1.0}},
        "cost": {"gpus": 4, "unit": "J", "per_request": 3.0},
    }
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("50000", 50_000), ("50k", 50_000), ("1e6", 1_000_000), ("1.5M", 1_500_000), (" 1_000 ", 1000)),
        *(("1,000,000", 1_000_000), ("0", 0), ("-3", -3), ("9007199254740993", 9_007_199_254_740_993)),
    ],
)
def test_whole_numbers(text, value):
    assert count(text) == value


@pytest.mark.parametrize("text", ["", "many", "1.5", "2s", "90%", "1,00", "1e400", "k", "1..3", "0x10", "5 q"])
def test_what_is_no_whole_number(text):
    with pytest.raises(ValueError, match=r"is no|has the unit"):
        count(text)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        *(("2", 2.0, None), ("2s", 2.0, TIME), ("500 ms", 0.5, TIME), ("1.5min", 90.0, TIME), ("90%", 0.9, SHARE)),
        *(("-0.5", -0.5, None), (".5", 0.5, None), ("3k", 3000.0, None), ("1e-3", 1e-3, None), ("20us", 2e-5, TIME)),
        *(("2h", 7200.0, TIME), ("1d", 86_400.0, TIME), ("3µs", 3e-6, TIME), ("2K", 2e3, None), ("2M", 2e6, None)),
        *(("2G", 2e9, None), ("2B", 2e9, None), ("1,234.5", 1234.5, None), ("2.", 2.0, None), ("+2", 2.0, None)),
    ],
)
def test_amounts_with_units(text, value, unit):
    assert amount(text) == (pytest.approx(value, rel=1e-15), unit)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("many", "'many' is no number"),
        ("1e999", "'1e999' is no finite number"),
        ("5 q", "'5 q' has the unit 'q'; known are %, us, µs, ms, s, min, h, d, k, M, G"),
    ],
)
def test_what_is_no_amount(text, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        amount(text)


def test_a_number_of_milliseconds_is_the_nearest_of_seconds():
    assert amount("1.1ms")[0] == 0.0011  # 1.1 * 0.001 is another


def test_names_with_commas():
    assert names_in(" a, b,,c d ,") == ["a", "b", "c d"]
    assert names_in("") == []


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-5..1e-3:5", [1e-5, 3.16228e-5, 1e-4, 3.16228e-4, 1e-3]),
        ("0.5..0.7:5:linear", [0.5, 0.55, 0.6, 0.65, 0.7]),
        ("1..4", [1, 2, 3, 4]),
        ("1..9:3:linear", [1, 5, 9]),
        ("10..1000:3", [10, 100, 1000]),
        ("-1..1:3:linear", [-1, 0, 1]),
        ("1..2:2", [1, 2]),
        (" 0.5 .. 0.7 : 3 : linear ", [0.5, 0.6, 0.7]),
        ("1..4:3", [1, 2, 4]),
        ("1.0..4:3", [1.0, 2.0, 4.0]),
        ("1..4.0:3", [1.0, 2.0, 4.0]),
        ("a..b", None),
        ("0.5", None),
        ("../x.csv", None),
    ],
)
def test_ranges(text, values):
    points = spaced(text)
    assert points == values
    assert [type(v) for v in points or []] == [type(v) for v in values or []]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3..1:4", "3..1:4 is empty; expected LOW..HIGH with LOW < HIGH"),
        ("0..1:4", "0..1:4: starts at 0; expected above 0, or 0..1:4:linear"),
        ("0.5..0.7", "0.5..0.7: expected how many values, such as 0.5..0.7:5"),
        ("1..2:1", "1..2:1: 1 values; expected 2 to 10,000"),
        ("1..100000000", "1..100000000: 100,000,000 values; expected at most 10,000"),
        ("1..10001", "1..10001: 10,001 values; expected at most 10,000"),
        ("1..2:3:cubic", "1..2:3:cubic: 'cubic' is no spacing; expected log or linear"),
        ("0.6:0.9:0.1", "0.6:0.9:0.1: expected a range such as 0.6..0.9:4:linear"),
        ("8:2:-3", "8:2:-3: expected a range such as 2..8:3:linear"),
        (".6:.9:.1", ".6:.9:.1: expected a range such as 0.6..0.9:4:linear"),
        ("1:8", "1:8: expected a range such as 1..8:5:linear"),
        ("3:2:1", "3:2:1: expected a range such as LOW..HIGH:HOW_MANY:linear"),
    ],
)
def test_ranges_that_are_none(text, message):
    with pytest.raises(ScenarioError) as error:
        points_of([f"router.V={text}"])
    assert str(error.value) == f"--grid router.V={text}: {message}"


def test_a_range_has_at_most_ten_thousand_values():
    assert spaced("1..10000") == list(range(1, 10_001))
    assert len(spaced("1..2:10000:linear")) == 10_000
    with pytest.raises(ValueError, match=r"^1\.\.2:10001: 10001 values; expected 2 to 10,000$"):
        spaced("1..2:10001")
    for empty in ("1..1", "2..2:3:linear"):
        with pytest.raises(ValueError, match="is empty; expected LOW"):
            spaced(empty)


def test_a_grid_takes_ranges_and_values():
    points = points_of(["router.V=1e-4..1e-2:3,1", "router.policy=mess+,random"])
    assert [p["router.V"] for p in points[::2]] == [1e-4, 1e-3, 1e-2, 1]


@pytest.mark.parametrize(
    ("text", "path", "operator", "bound"),
    [
        ("ttft.p95<2s", "latency_s.ttft.p95", "<", 2.0),
        ("latency_s.ttft.p95 <= 500 ms", "latency_s.ttft.p95", "<=", 0.5),
        ("satisfaction>=60%", "sla.satisfaction", ">=", 0.6),
        ("sla.satisfaction ≥ 0.6", "sla.satisfaction", ">=", 0.6),
        ("rejected<1k", "requests.rejected", "<", 1000.0),
        ("gpus<=8", "cost.gpus", "<=", 8.0),
        ("kept==1", "sla.kept", "==", 1.0),
    ],
)
def test_requirements_as_people_write_them(text, path, operator, bound):
    assert Requirement.parse(text, KNOWN) == Requirement(path, operator, bound)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ttft.p95<90%", "latency_s.ttft.p95 is in seconds; expected a number without %"),
        ("rejected<1%", "requests.rejected is a count; expected a number without %"),
        ("satisfaction>=2s", "sla.satisfaction is no time; expected a number without a unit of time"),
        ("per_request<2q", "'2q' has the unit 'q'; known are %, us"),
        ("unit<2", "unit: no such figure"),
    ],
)
def test_units_that_do_not_fit_are_refused(text, message):
    with pytest.raises(ScenarioError, match=message.replace("(", r"\(")):
        Requirement.parse(text, KNOWN)


# ---- on the command line --------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "s.toml"
    file.write_text(tomli_w.dumps(scenario(requests=100)))
    return file


def test_requests_and_requirements(file):
    done = here("run", file, "--requests", "0.2k", "--require", "e2e.p95<1h", "--require", "satisfaction>1%", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    data = json.loads(done.stdout)
    assert data["requests"]["arrived"] == 200
    assert [r["requirement"] for r in data["requirements"]] == ["latency_s.e2e.p95<3600", "sla.satisfaction>0.01"]


def test_wrong_amounts_are_refused(file):
    done = here("run", file, "--requests", "1.5")
    assert done.returncode == 2
    words = " ".join(done.stderr.replace("│", "").split())
    assert "'1.5' is no whole number; expected one such as 50000, 50k or 1e6" in words
    assert "is no time" in refused(here("run", file, "--require", "sla.satisfaction>=2s"))


def test_a_sweep_over_a_range(file):
    done = here("sweep", file, "--grid", "sla.alpha=0.2..0.4:3:linear", "--show", "e2e.p95", "--seeds", 1, "--json")
    data = json.loads(done.stdout)
    assert [p["point"]["sla.alpha"] for p in data["points"]] == [0.2, 0.3, 0.4]
    assert list(data["points"][0]["figures"]) == ["latency_s.e2e.p95"]
