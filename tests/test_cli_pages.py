"""``messsim report`` and ``messsim plot``, as a user runs them."""

import sys

import pytest
from runs import eventful, made
from test_cli import cli, here, refused


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pages") / "run"
    made(eventful(requests=100), directory)
    return directory


def test_a_report_is_written_beside_the_run_or_where_it_is_wanted(run_dir, tmp_path):
    done = cli("report", run_dir)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"written to {run_dir / 'report.html'}\n", "")
    assert (run_dir / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    done = here("report", run_dir, "--out", tmp_path / "a page.html")
    assert done.stdout == f"written to {tmp_path / 'a page.html'}\n"
    assert (tmp_path / "a page.html").read_bytes() == (run_dir / "report.html").read_bytes()


@pytest.mark.parametrize(("kind", "begins"), [("svg", b"<svg"), ("png", b"\x89PNG"), ("html", b"<!doctype html>")])
def test_a_plot_in_each_format(run_dir, tmp_path, kind, begins):
    file = tmp_path / f"load.{kind}"
    assert here("plot", run_dir, "load", "--out", file).stdout == f"written to {file}\n"
    assert file.read_bytes().lstrip().startswith(begins)
    assert [p.name for p in tmp_path.iterdir()] == [file.name]


def test_without_a_name_the_promise_is_drawn(run_dir, tmp_path):
    done = here("plot", run_dir, "--out", tmp_path / "a.svg")
    assert (done.returncode, done.stderr) == (0, "")
    assert "promised" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["RUN", "lod", "--out", "a.svg"], "lod: unknown chart; expected one of answers, cost, hits, latency"),
        (["RUN", "--out", "a.gif"], "a.gif: expected a file name that ends in .svg, .png or .html"),
        (["absent", "--out", "a.svg"], "absent: expected a directory that `messsim run --out` wrote"),
        (["RUN", "--out", "RUN/summary.json/a.svg"], "summary.json is no directory"),
    ],
)
def test_what_a_plot_refuses(run_dir, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in refused(here("plot", *[a.replace("RUN", str(run_dir)) for a in arguments]))
    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_both_tell_the_remedy(run_dir, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "altair", None)
    remedy = "error: drawing needs Altair; install it with `pip install 'messsim[plot]'`\n"
    assert refused(here("plot", run_dir, "--out", tmp_path / "a.svg")) == remedy
    assert refused(here("report", run_dir, "--out", tmp_path / "a.html")) == remedy
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_run_is_named(run_dir, tmp_path):
    (tmp_path / "summary.json").write_text("{}")
    assert "expected a directory that `messsim run --out` wrote" in refused(here("report", tmp_path))
