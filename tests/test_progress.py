"""How far a run is, as both engines say while it goes on: against the records that it leaves."""

import math

import numpy as np
import pytest
from builders import ENGINES, scenario

from messsim.engines import prepare, simpy_engine
from messsim.engines.records import COLUMNS, COMPLETED, STATUS, RecordBook
from messsim.scenario import parse


@pytest.mark.parametrize("length", [{"requests": 300}, {"requests": None, "horizon_s": 150.0}], ids=str)
@pytest.mark.parametrize("engine", ["simpy", "compiled"])
def test_what_is_said_on_the_way_is_what_the_records_say(monkeypatch, engine, length):
    monkeypatch.setattr(simpy_engine, "PROGRESS_EVERY", 64)
    setup = prepare(parse(scenario(record={"chunk": 64}, **length) | {"engine": engine}))
    rows, heard = [], []

    def handed_on():
        return np.bincount([m for r in rows for m in r["model"][r["status"] == COMPLETED]], minlength=2)

    def tell(progress):
        samples = progress.timeline().samples
        heard.append((progress, progress.answered() + handed_on(), [s.request for s in samples]))

    outcome = ENGINES[engine](setup, lambda chunk: rows.append(chunk.columns), tell)
    whole = {name: np.concatenate([r[name] for r in rows]) for name in rows[0]}
    assert [p.requests for p, _, _ in heard if p.requests % 64 == 0 and p.requests][:3] == [64, 128, 192]
    for progress, answered, samples in heard:
        assert (progress.total, progress.horizon_s) == (length["requests"], length.get("horizon_s"))
        assert samples == list(range(progress.requests))
        if progress.requests == outcome.issued:
            continue
        # the compiled engine goes on until it needs the next chunk
        following = whole["arrival_s"][progress.requests] if engine == "compiled" else progress.time_s
        done = (whole["status"] == COMPLETED) & (whole["finish_s"] < following)
        count = np.bincount(whole["model"][done], minlength=2)
        on_their_way = 0 if engine == "simpy" else 4
        assert ((answered <= count) & (count <= answered + on_their_way)).all()
        rated = whole["satisfied"][whole["feedback_s"] < following]
        assert progress.satisfaction == pytest.approx(rated.mean() if len(rated) else math.nan, nan_ok=True)
        assert progress.time_s == (whole["arrival_s"][progress.requests - 1] if progress.requests else 0.0)
    assert heard[-1][0].requests <= outcome.issued


def test_answers_by_model_are_those_that_are_not_handed_on():
    class Drawn(list):
        first, turns = 0, None

    handed_on = []
    book = RecordBook(handed_on.append, 100, 4)
    book.begin(Drawn(range(4)), np.zeros((3, 4)))
    assert book.answered(3) == [0, 0, 0]
    for request, model, status in ((2, 1, "completed"), (0, 1, "completed"), (1, 2, "lost")):
        row = dict.fromkeys(COLUMNS, 0) | {"id": request, "model": model, "status": STATUS.index(status)}
        book.put(request, tuple(row.values()))
    assert book.answered(3) == [0, 2, 0]
    assert handed_on == []
    book.close(4)
    assert book.answered(3) == [0, 0, 0]
    assert handed_on[0].columns["id"].tolist() == [0, 1, 2]
