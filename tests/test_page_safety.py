"""Names that try to break out of a page: in a real browser nothing of them runs, and every chart is drawn."""

import re
from pathlib import Path

import polars as pl
import pytest
import tomli_w
from builders import model, scenario
from test_cli import here

from messsim.plot import FIGURES
from messsim.report.base.page import Page, Section, Tile, chart_html, html
from messsim.results import Result

RUNS = "document.title = 'owned'"
HOSTILE = [
    f"</script><script>{RUNS}</script>",
    f"<script>{RUNS}</script>",
    f"<!--<script>{RUNS}</script>",
    f'</title><img src=x onerror="{RUNS}">',
    f'"]}}; {RUNS}; //',
    f"'); {RUNS}; ('",
    "&lt;b&gt; & <b>bold</b>",
    "line \u2028 and \u2029 paragraph",
    "back\\slash",
    "__proto__",
    "datum['constructor']",
    "${7*7} {{7*7}}",
]


def all_of(kind: str) -> str:
    """One name that holds every attempt."""
    return f"{kind} " + " ".join(HOSTILE)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A scenario whose every name is hostile: of models, pools, tenants, phases and itself."""
    file = tmp_path_factory.mktemp("hostile") / "s.toml"
    data = scenario(
        name=all_of("scenario"),
        requests=80,
        models=[model(f"{k} {name}", 0.3 + 0.05 * k) for k, name in enumerate(HOSTILE)],
        tenants=[{"name": f"{k} {name}", "alpha": 0.4} for k, name in enumerate(HOSTILE)],
        phases=[{"name": all_of("phase"), "from_request": 30, "difficulty": 0.5}],
        cluster={"failures": {"schedule": [{"pool": f"0 {HOSTILE[0]}", "replica": 0, "at_s": 5.0, "for_s": 5.0}]}},
    )
    file.write_text(tomli_w.dumps(data))
    return file


@pytest.fixture(scope="module")
def run_dir(hostile, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("hostile") / "run"
    assert here("run", hostile, "--out", out).returncode == 0
    return out


def sound(page) -> None:
    """Nothing of a name became an element or ran, and the browser has nothing to say."""
    assert page.heard == []
    assert page.page.title() != "owned"
    assert page.page.locator("img, iframe, b").count() == 0
    assert page.page.locator("script").count() == 3
    assert page.page.evaluate("({}).owned === undefined")
    charts = page.page.locator(".chart")
    assert charts.count() == charts.filter(has=page.page.locator("svg")).count() > 0


@pytest.mark.parametrize("what", [name for name in FIGURES if name not in {"hits", "replicas"}])  # every run has
def test_a_chart_of_hostile_names(opened, run_dir, tmp_path, what):
    out = tmp_path / "x.html"
    assert here("plot", run_dir, what, "--out", out).returncode == 0
    shown = opened(out)
    sound(shown)
    assert len(shown.page.locator("h1").all()) == 1
    if what in {"answers", "latency", "tenants"}:
        assert "</script><script>" in shown.page.content().replace("&lt;", "<").replace("&gt;", ">")


def test_a_report_of_hostile_names(opened, run_dir, tmp_path):
    out = tmp_path / "x.html"
    assert here("report", run_dir, "--out", out).returncode == 0
    shown = opened(out)
    sound(shown)
    assert all_of("scenario") in shown.page.inner_text("h1")


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("compare", ["--policies", "mess+,random", "--seeds", "2"]),
        ("converge", ["--seeds", "4"]),
        (
            "plan",
            ["--replicas", f"11 {HOSTILE[11]}=1..2", "--require", "sla.satisfaction>=0.01", "--objective", "energy"],
        ),
        ("sweep", ["--points", "FILE", "--seeds", "2"]),
    ],
)
def test_a_study_of_hostile_names(opened, hostile, tmp_path, command, options):
    points = tmp_path / "points.csv"
    pl.DataFrame({"name": HOSTILE, "router.V": [1e-3] * len(HOSTILE)}).write_csv(points)
    out = tmp_path / "out"
    options = [str(points) if o == "FILE" else o for o in options]
    done = here(command, hostile, *options, "--workers", "1", "--out", out)
    assert done.returncode == 0, done.stderr
    assert here("report", out, "--out", tmp_path / "x.html").returncode == 0
    sound(opened(tmp_path / "x.html"))


def test_every_page_has_the_policy_and_its_json_holds_no_markup(run_dir):
    figure = FIGURES["answers"](Result.read(run_dir))
    tile = [Tile("a", all_of("tile"))]
    section = [Section("a", all_of("section"), text=all_of("text"), figures=[figure])]
    page = Page(all_of("t"), all_of("s"), None, all_of("h"), all_of("v"), tile, [all_of("n")], section, all_of("f"))
    for text in (chart_html(figure).decode(), html(page).decode()):
        assert '<meta http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; script-src' in text
        data = re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.DOTALL)[1]
        assert not re.search("[<>&\u2028\u2029]", data)
        assert f"<script>{RUNS}" not in text
