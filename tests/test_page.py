"""The report of a run: one file that is whole, safe, sound for a screen reader, and drawn by a real browser."""

import base64
import hashlib
import html.parser
import itertools
import os
import re
import shutil

import polars as pl
import pytest
import vl_convert
from builders import scenario
from runs import EVIL, eventful, made
from test_plot import contrast

from messsim.errors import OutputError
from messsim.report.base import page as base
from messsim.report.base.page import columns_of, unbroken
from messsim.report.pages.report import report
from messsim.scenario import load as load_scenario
from messsim.scenario.shipped import shipped
from messsim.study import run


@pytest.fixture(scope="module")
def made_here(tmp_path_factory):
    directory = tmp_path_factory.mktemp("page") / "run"
    return directory, made(eventful(), directory)


@pytest.fixture(scope="module")
def run_dir(made_here):
    return made_here[0]


@pytest.fixture(scope="module")
def result(made_here):
    return made_here[1]


@pytest.fixture(scope="module")
def page(run_dir):
    return report(run_dir).read_text(encoding="utf-8")


class Elements(html.parser.HTMLParser):
    """Every element with its attributes, in order, and the text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[str] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.all.append((tag, dict(attributes)))
        self._in = tag
        self.text += " "
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._in = ""
        self.text += " "

    def handle_data(self, data):
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in != "style":
            self.text += data

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.all if tag in tags]


@pytest.fixture(scope="module")
def elements(page):
    return Elements(page)


# ---- what it says ---------------------------------------------------------------------------------------


def test_the_verdict_comes_first(elements, result):
    words = " ".join(elements.text.split())
    verdict = "Promise kept" if result.summary["sla"]["kept"] else "Promise missed"
    assert words.index(verdict) < words.index("Certificate") < words.index("Does the promise hold?")
    assert "60.00 % promised to time & <b>money</b>" in words
    for heading in ("What does it cost?", "Who answered?", "Each tenant", "Phases and failures", "The scenario"):
        assert heading in words
    assert "request, 1 30 s 20 s plan" in words


def test_the_tiles_name_the_tenant_by_whom_the_run_is_judged(elements, result):
    figures, sla = {t["name"]: t for t in result.summary["tenants"]}, result.summary["sla"]
    worst = min(figures.values(), key=lambda t: t["satisfaction"] - t["alpha"])
    words = " ".join(elements.text.split())
    assert (
        f"Satisfied {100 * sla['satisfaction']:.2f} % of all tenants' answers; promised {100 * sla['alpha']:.2f} % on "
        f"average Satisfied, {worst['name']} {100 * worst['satisfaction']:.2f} % the least margin; promised "
        f"{100 * worst['alpha']:.2f} %"
    ) in words


def test_what_a_run_came_to_has_a_row_of_its_own_for_each_chart(page):
    head = r'<section aria-labelledby="([\w-]+)">\s*<h2[^>]*>.*?</h2>\s*(?:<p>[^<]*</p>\s*)?'
    parts = re.findall(head + r'<div class="figures( wide)?">', page)
    assert [name for name, wide in parts if wide] == ["convergence"]
    assert len(parts) > 3


def test_a_run_without_servers_or_events_has_no_empty_parts(tmp_path):
    made(scenario(cluster={"mode": "none"}), tmp_path / "run")
    words = Elements(report(tmp_path / "run").read_text(encoding="utf-8")).text
    for heading in ("How long do answers take?", "Load and energy", "Phases and failures", "Each tenant"):
        assert heading not in words


def test_only_phases_that_a_run_came_to_are_listed(tmp_path):
    phases = [
        {"name": "evening", "from_request": 4, "rate_factor": 2.0},
        {"name": "night", "from_request": 30, "rate_factor": 0.5},
    ]
    made(scenario(requests=20, phases=phases), tmp_path / "by-request")
    words = Elements(report(tmp_path / "by-request").read_text(encoding="utf-8")).text
    events = words.rsplit("Phases and failures", 1)[1].split("The scenario")[0]
    assert "evening" in events
    assert "night" not in events
    phases = [{"name": "night", "from_s": 1e6, "rate_factor": 0.5}]
    made(scenario(requests=20, phases=phases), tmp_path / "by-time")
    assert "Phases and failures" not in Elements(report(tmp_path / "by-time").read_text(encoding="utf-8")).text


def test_raters_who_err_and_windows_are_told(tmp_path):
    made(scenario(feedback={"false_negative": 0.1}, sla={"alpha": 0.5, "window_requests": 10}), tmp_path / "run")
    words = " ".join(Elements(report(tmp_path / "run").read_text(encoding="utf-8")).text.split())
    assert "Certificate none raters err; they say" in words
    assert "There is no certificate" in words
    assert re.search(r"Windows that miss \d+\.\d % of 31; ", words)


def test_a_run_of_nothing_is_reported(tmp_path):
    made(scenario(requests=None, horizon_s=1e-9), tmp_path / "run")
    words = " ".join(Elements(report(tmp_path / "run").read_text(encoding="utf-8")).text.split())
    assert "No answers Nobody was answered. Satisfied" in words
    assert "alone" not in words.split("Does the promise hold?")[0]
    assert "There is no certificate: no answer was rated." in words


def test_one_request_is_one_and_has_a_bound(tmp_path):
    made(eventful(requests=1), tmp_path / "run")
    words = " ".join(Elements(report(tmp_path / "run").read_text(encoding="utf-8")).text.split())
    assert "Report of one run: 1 request, policy" in words
    assert "1 request simulated" in words
    assert "There is no certificate" not in words


# ---- whole and safe -------------------------------------------------------------------------------------


def test_nothing_of_a_scenario_is_markup(page, elements):
    assert EVIL in elements.text
    assert EVIL not in page
    assert [a for a in elements.of("script") if a.get("type") != "application/json"] == [{}, {}]
    assert "b" not in {tag for tag, _ in elements.all}


def test_it_refers_to_nothing_outside(elements):
    for tag, attributes in elements.all:
        assert not {"src", "srcset", "data", "action"} & attributes.keys(), tag
        assert (attributes.get("href") or "#").startswith("#")
    assert not elements.of("link", "iframe", "object", "embed", "img")


def test_its_policy_lets_only_its_own_scripts_run(elements):
    (policy,) = (a["content"] for a in elements.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in elements.scripts[1:]]
    assert f"default-src 'none'; script-src 'sha256-{digests[0]}' 'sha256-{digests[1]}';" in policy
    assert "unsafe-eval" not in policy


def test_its_size_does_not_follow_the_run(tmp_path):
    made(eventful(requests=60_000), tmp_path / "long")
    long = Elements(report(tmp_path / "long").read_text(encoding="utf-8"))
    assert len(long.scripts[0]) < 1_000_000
    assert len(long.text) < 60_000


def test_the_same_run_gives_the_same_file(run_dir, page, tmp_path):
    assert report(run_dir, tmp_path / "again.html").read_text(encoding="utf-8") == page
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.html"]


# ---- sound for everybody --------------------------------------------------------------------------------


def test_landmarks_and_headings(elements):
    for tag, many in (("main", 1), ("header", 1), ("footer", 1), ("h1", 1), ("nav", 1)):
        assert len(elements.of(tag)) == many
    levels = [int(tag[1]) for tag, _ in elements.all if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    ids = [a["id"] for _, a in elements.all if "id" in a]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for a in elements.of("a")} | {a["aria-labelledby"] for a in elements.of("section")}
    assert targets <= set(ids)
    assert elements.of("html") == [{"lang": "en"}]


def test_every_chart_has_words_and_every_table_a_caption(elements):
    charts = [a for a in elements.of("div") if a.get("class") == "chart"]
    assert len(charts) == 12
    assert all(a["role"] == "img" and len(a["aria-label"]) > 40 for a in charts)
    assert len(elements.of("caption")) == len(elements.of("table")) > 10
    assert all(a.get("scope") in ("col", "row") for a in elements.of("th"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out(page, scheme):
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)[1]
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[0 if scheme == "light" else 1]))
    for text in ("ink", "quiet", "link"):
        assert min(contrast(colours[text], colours[c]) for c in ("surface", "page")) >= 4.5
    for verdict in ("good", "bad", "open"):
        assert contrast(colours[verdict], colours[f"{verdict}-surface"]) >= 4.5
        assert contrast(colours["ink"], colours[f"{verdict}-surface"]) >= 4.5


# ---- what is no run -------------------------------------------------------------------------------------


def damaged(run_dir, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run_dir, copy)
    return copy


def test_a_directory_that_is_no_run(tmp_path):
    for directory in (tmp_path, tmp_path / "absent"):
        with pytest.raises(OutputError, match="holds no run and no study; expected what the --out of run, replicate"):
            report(directory)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["summary.json", "timeline.parquet", "requests/part-00000.parquet", "scenario.toml"])
def test_a_file_that_is_cut(run_dir, tmp_path, file):
    copy = damaged(run_dir, tmp_path)
    (copy / "report.html").unlink(missing_ok=True)
    (copy / file).write_bytes((copy / file).read_bytes()[:300])
    with pytest.raises(OutputError, match=str(copy)):
        report(copy)
    assert not (copy / "report.html").exists()


def test_records_of_some_requests_alone(run_dir, tmp_path):
    """As of a copy that lacks a part: charts of the rest would look like the run's."""
    part = damaged(run_dir, tmp_path) / "requests" / "part-00000.parquet"
    whole = pl.read_parquet(part)
    whole.head(50).write_parquet(part)
    with pytest.raises(OutputError, match=f"holds records of 50 requests, not of {len(whole):,}; it is damaged"):
        report(part.parents[1])


def test_a_summary_of_another_version(run_dir, tmp_path):
    copy = damaged(run_dir, tmp_path)
    text = (copy / "summary.json").read_text()
    (copy / "summary.json").write_text(text.replace('"exploration"', '"exploring"'))
    with pytest.raises(OutputError, match=r"summary.json: cost.exploration: field required; it is damaged, or another"):
        report(copy)


def test_a_file_name_that_is_no_page(run_dir, tmp_path):
    with pytest.raises(OutputError, match=r"report.txt: expected a file name that ends in .html"):
        report(run_dir, tmp_path / "report.txt")
    with pytest.raises(OutputError, match=r"is no directory"):
        report(run_dir, run_dir / "summary.json" / "report.html")


# ---- in a browser ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_a_browser_draws_every_chart_and_asks_for_nothing(opened, run_dir, page, width, scheme):
    shown = opened(run_dir / "report.html", width=width, scheme=scheme)
    assert shown.heard == []
    assert len(shown.marks()) == 12
    images = shown.page.get_by_role("img").all()
    assert [i.get_attribute("aria-label") for i in images] == [
        a["aria-label"] for a in Elements(page).of("div") if a.get("class") == "chart"
    ]
    assert min(shown.marks()) >= 2
    assert shown.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert shown.page.evaluate(
        "[...document.querySelectorAll('.chart svg')].every(s => "
        "s.getBoundingClientRect().right <= s.closest('figure').getBoundingClientRect().right)"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"requests": None, "horizon_s": 1e-9},  # nobody came
        {"requests": None, "horizon_s": 0.6},  # nobody was answered
        {"requests": 1},
        {"feedback": {"probability": 0.0}},
        {"cluster": {"mode": "none"}},
    ],
)
def test_a_browser_has_nothing_against_little(opened, tmp_path, changes):
    made(eventful(cluster={}, **changes) if "cluster" not in changes else scenario(**changes), tmp_path / "run")
    shown = opened(report(tmp_path / "run"), width=390)
    assert shown.heard == []
    assert shown.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_colours_follow_the_system(opened, run_dir, page):
    shown = opened(run_dir / "report.html")
    seen = "[getComputedStyle(document.body).backgroundColor, document.querySelector('.chart path.background')" + (
        ".getAttribute('fill') ?? document.querySelector('.chart svg').style.backgroundColor]"
    )
    light = shown.page.evaluate(seen)
    shown.page.emulate_media(color_scheme="dark")
    shown.drawn("dark")
    assert shown.page.evaluate(seen) != light
    assert shown.heard == []


def test_it_turns_with_the_phone(opened, run_dir, page):
    from playwright.sync_api import expect

    shown = opened(run_dir / "report.html", width=844)
    shown.page.set_viewport_size({"width": 390, "height": 844})
    for chart in shown.page.locator(".chart svg").all():
        expect(chart).to_have_css("width", re.compile(r"^3[0-3]\d(\.\d+)?px$"))
    assert shown.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert shown.heard == []


def test_pointing_tells_the_values_and_the_keyboard_gets_everywhere(opened, run_dir, page):
    shown = opened(run_dir / "report.html")
    chart = shown.page.locator(".chart svg").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    for share in (0.4, 0.5):
        shown.page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
    shown.page.wait_for_selector("#vg-tooltip-element.visible")
    assert "satisfied so far" in shown.page.inner_text("#vg-tooltip-element")
    shown.page.keyboard.press("Tab")
    assert shown.page.evaluate("document.activeElement.className") == "skip"
    assert shown.page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
    shown.page.keyboard.press("Enter")
    assert shown.page.evaluate("document.activeElement.id") == "main"
    shown.page.keyboard.press("Tab")
    assert shown.page.evaluate("document.activeElement.hash") == "#convergence"
    assert shown.heard == []


@pytest.mark.parametrize(
    ("tiles", "most", "columns"), [(9, 6, 5), (7, 4, 4), (7, 6, 4), (4, 6, 4), (1, 4, 1), (0, 4, 1)]
)
def test_tiles_stand_in_even_rows(tiles, most, columns):
    assert columns_of(tiles, most) == columns
    assert tiles <= 1 or tiles % columns != 1


def test_no_column_of_a_table_is_cut_at_any_width(opened, run_dir):
    shown = opened(report(run_dir), width=1280)
    shown.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    for width in (1280, 1000, 768, 390):
        shown.page.set_viewport_size({"width": width, "height": 800})
        cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"
        assert shown.page.evaluate(cut) == 0, width
        assert shown.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width


def test_what_turns_share_is_told(tmp_path):
    settings = load_scenario(shipped("sessions")).changed(requests=60)
    run(settings, out=tmp_path / "o")
    words = " ".join(Elements(report(tmp_path / "o").read_text(encoding="utf-8")).text.split())
    assert "Conversations and caches" in words
    assert "turns that were sent 60" in words
    assert "prompt tokens that were in a cache" in words


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_white_and_nothing_on_it_is_cut(opened, run_dir, page, scheme):
    shown = opened(run_dir / "report.html", scheme=scheme)
    shown.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    shown.drawn("light")
    shown.page.emulate_media(media="print", color_scheme=scheme)
    shown.page.set_viewport_size({"width": 700, "height": 900})
    seen = shown.page.evaluate(
        """() => {
            const of = e => getComputedStyle(e);
            return [of(document.body).backgroundColor, of(document.querySelector('figure')).backgroundColor,
                    of(document.body).color, document.documentElement.scrollWidth,
                    [...document.querySelectorAll(".chart svg")].filter(s => s.clientHeight > s.clientWidth).length,
                    [...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth).length]
        }"""
    )
    assert seen == ["rgba(0, 0, 0, 0)", "rgb(255, 255, 255)", "rgb(22, 24, 29)", 700, 0, 0]
    shown.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    shown.drawn(scheme)
    assert shown.page.evaluate("document.body.style.width") == ""


def test_caches_of_an_api_are_told_though_no_pool_has_one(tmp_path):
    run(load_scenario(shipped("api-zoo")).changed(requests=60), out=tmp_path / "o")
    words = " ".join(Elements(report(tmp_path / "o").read_text(encoding="utf-8")).text.split())
    assert "Caches What requests share" in words
    assert "prompt tokens that were in a cache" in words
    assert "Prefix caches" not in words


def test_expected_costs_are_not_taken_for_what_was_spent(page, elements):
    assert "Expected costs compare with one another, not with what this run spent" in elements.text


@pytest.mark.parametrize(
    ("heading", "whole"),
    [
        ("TTFT, 95th percentile < 2 s", "TTFT, 95th percentile <_2_s"),
        ("answers that satisfy ≥ 62.50 %", "answers that satisfy ≥_62.50_%"),
        ("energy, kJ", "energy, kJ"),
        ("kept in 50 replications", "kept in 50 replications"),
        ("of 95 requests", "of 95 requests"),
    ],
)
def test_headings_are_not_broken_between_a_number_and_its_unit(heading, whole):
    assert unbroken(heading).replace("\u00a0", "_") == whole


def test_on_paper_there_is_one_chart_a_row_and_wide_tables_keep_their_columns(opened, run_dir, page):
    shown = opened(run_dir / "report.html")
    shown.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    shown.page.emulate_media(media="print")
    shown.page.set_viewport_size({"width": 703, "height": 1000})
    assert shown.page.evaluate(
        "[...document.querySelectorAll('.figures')].every(f => "
        "getComputedStyle(f).gridTemplateColumns.split(' ').length === 1)"
    )
    assert shown.page.evaluate(
        "[...document.querySelectorAll('table.wide')].every(t => getComputedStyle(t).display === 'table')"
    )
    shown.page.evaluate("window.dispatchEvent(new Event('afterprint'))")


# ---- the charts' script, kept from one page to the next -------------------------------------------------


@pytest.fixture
def made_anew(monkeypatch, tmp_path):
    """How often the script was made, in an empty cache of the user's."""
    times = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda: times.append(1) or "draw('µ');\r\n")
    return times


def script_of_a_new_process():
    base._bundle.cache_clear()
    try:
        return base._bundle()
    finally:
        base._bundle.cache_clear()


def test_the_script_of_the_charts_is_made_once(made_anew):
    assert [script_of_a_new_process() for _ in range(3)] == ["draw('µ');\r\n"] * 3
    assert len(made_anew) == 1


@pytest.mark.parametrize("damage", [lambda kept: kept[:-1], lambda kept: b"", lambda kept: kept + b"\xff"])
def test_a_damaged_script_is_made_again(made_anew, tmp_path, damage):
    script_of_a_new_process()
    (file,) = (tmp_path / "cache" / "messsim").iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert [script_of_a_new_process() for _ in range(2)] == ["draw('µ');\r\n"] * 2
    assert len(made_anew) == 2


def test_a_script_that_would_end_within_the_page_is_made_again(made_anew, tmp_path):
    """Its hash is right, as of one that somebody else put there."""
    script_of_a_new_process()
    (file,) = (tmp_path / "cache" / "messsim").iterdir()
    for script in ("draw('</script><b>')", "draw('</SCRIPT >')"):
        file.write_text(f"{base._digest(script)}\n{script}")
        assert script_of_a_new_process() == "draw('µ');\r\n"
    file.write_text(f"{base._digest('draw()')}\ndraw()")
    assert script_of_a_new_process() == "draw()"
    assert len(made_anew) == 3


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no users here")
def test_a_script_of_another_user_is_made_again(made_anew, monkeypatch):
    me = os.getuid()
    script_of_a_new_process()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    script_of_a_new_process()
    assert len(made_anew) == 2
    monkeypatch.setattr(os, "getuid", lambda: me)
    script_of_a_new_process()
    assert len(made_anew) == 2


def test_a_page_needs_no_folder_that_can_be_written(made_anew, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("not a folder")
    assert script_of_a_new_process() == "draw('µ');\r\n"
    monkeypatch.setattr(base, "cache_folder", lambda: None)
    assert script_of_a_new_process() == "draw('µ');\r\n"
