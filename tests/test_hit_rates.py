"""Hit rates of prefix caches along a run: in the timeline, on the page and in a trace viewer."""

import numpy as np
import pytest
from builders import model, run, scenario
from runs import made
from test_trace_file import written

from messsim.errors import OutputError
from messsim.plot import FIGURES
from messsim.plot.digest import sliced
from messsim.report.pages.report import report
from messsim.results import timeline_frame


def chats(**changes) -> dict:
    """A model of two replicas that cache, and one that does not; prompts begin with one of three texts of 16 tokens."""
    caching = {"prefix_cache": True, "kv_block_tokens": 4, "replicas": 2}
    return scenario(
        **{
            "requests": 60,
            "models": [model("keeps", 0.5, **caching), model("forgets", 0.6)],
            "prefixes": {"groups": 3, "exponent": 0.0, "tokens": 16},
            "tokens": {"prompt": 2, "output": 3},
            "router": {"policy": "random"},
        }
        | changes
    )


@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_the_timeline_has_what_was_started_and_the_cached_share_of_it_since_the_row_before(engine):
    r = run(chats(), engine)
    frame = timeline_frame(r.setup.scenario, r.outcome, r.tally.running)
    assert "hit_rate_forgets" not in frame.columns
    own = r.records.model == 0
    assert 10 < own.sum() < 50
    at = r.records.arrival_s
    started = [18 * int((own & (r.records.start_s < t)).sum()) for t in at]  # prompts of 16 + 2 tokens
    assert frame["started_prompt_tokens_keeps"].to_list() == started
    cached = [int(r.records.cached_prompt_tokens[own & (r.records.start_s < t)].sum()) for t in at]
    rates = [c / s if s else None for c, s in zip(np.diff(cached, prepend=0), np.diff(started, prepend=0), strict=True)]
    assert frame["hit_rate_keeps"].to_list() == rates
    assert max(r for r in rates if r is not None) == 16 / 18
    assert r.summary["cache"]["hit_rate"] == r.records.cached_prompt_tokens.sum() / (18 * 60)  # of both models


def test_the_page_draws_means_over_tokens(tmp_path):
    result = made(chats(), tmp_path / "run")
    slices = sliced(result)
    rates, started = result.timeline["hit_rate_keeps"], result.timeline["started_prompt_tokens_keeps"]
    width_s = result.timeline["time_s"].max() / 120
    first = slices.filter(slices["hit_rate_keeps"].is_not_null()).row(0, named=True)
    inside = (result.timeline["time_s"] / width_s).floor().clip(0, 119) == first["slice"]
    tokens = started.diff().fill_null(0)
    weighted = (rates * tokens).filter(inside).sum() / tokens.filter(inside & rates.is_not_null()).sum()
    assert first["hit_rate_keeps"] == pytest.approx(weighted)
    figure = FIGURES["hits"](result)
    assert "were in the prefix cache" in figure.description
    assert "Prefix caches" in report(tmp_path / "run").read_text(encoding="utf-8")


def test_without_a_cache_there_is_nothing_to_draw(tmp_path):
    with pytest.raises(OutputError, match="no pool has a prefix cache"):
        FIGURES["hits"](made(chats(models=[model("forgets", 0.6)])))


def test_a_trace_viewer_has_the_rate_of_each_replica_that_caches(tmp_path):
    events = written(chats(), tmp_path)
    counters = [e for e in events if e["ph"] == "C" and e["name"].startswith("cached of prompts")]
    assert {e["pid"] for e in counters} == {1000, 1001}
    rates = [e["args"]["hit rate"] for e in counters if e["pid"] == 1000]
    assert rates[0] == 0.0
    assert 0 < rates[-1] < 100 * 16 / 18
    spans = [e["args"] for e in events if e["ph"] == "X"]
    assert {s["cached_prompt_tokens"] for s in spans} == {0, 16}
