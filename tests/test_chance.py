"""Whose numbers: a column is named by family and model, and nothing else changes it."""

import hashlib

import numpy as np
import pytest
from builders import model, scenario

from messsim import _core
from messsim.errors import MesssimError
from messsim.scenario import parse
from messsim.workload import Chance, Chunk, Workload, chance, column_id


def drawn(data, n=500) -> Chunk:
    (chunk,) = Workload(parse(data | {"requests": n})).chunks(n)
    return chunk


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()


# ---- ids ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "model", "column"),
    [  # pinned: with another id every published result would change
        ("arrivals", "", 2_497_570_925),
        ("difficulty", "", 646_297_683),
        ("satisfaction", "small", 3_369_442_388),
        ("output", "llama-3.1-8b", 3_230_260_459),
        ("policy:mess+", "", 2_206_313_331),
    ],
)
def test_ids_are_pinned(family, model, column):
    assert column_id(family, model) == column


def test_an_id_is_the_first_32_bits_of_sha_256():
    digest = hashlib.sha256(b"output/small").hexdigest()
    assert column_id("output", "small") == int(digest[:8], 16)


def test_two_names_with_one_id_are_refused(monkeypatch):
    monkeypatch.setattr(chance, "column_id", lambda family, model="": 7)
    chances = Chance(1)
    assert chances.column("output", "a") == chances.column("output", "a") == 7
    with pytest.raises(MesssimError) as caught:
        chances.column("output", "b")
    assert str(caught.value) == "the columns 'output/b' and 'output/a' share the id 7; rename a model"


def test_a_scenario_whose_columns_collide_is_refused(monkeypatch):
    monkeypatch.setattr(chance, "column_id", lambda family, model="": 7)
    with pytest.raises(MesssimError, match="share the id 7"):
        drawn(scenario())


# ---- what a column depends on ---------------------------------------------------------------------------

RANDOM = scenario(
    tokens={"prompt": {"kind": "lognormal", "mean": 90, "cv": 1.0}, "output": {"kind": "geometric", "mean": 90}},
    tenants=[{"name": "x"}, {"name": "y"}],
    feedback={"delay": {"kind": "exponential", "mean_s": 3.0}},
)
# Columns that this scenario has not.
ABSENT = {"available", "costs", "facts", "instance", "labels", "max_new_tokens", "paths", "price_factor", "turns"}
ALL = [name for name in Chunk.__slots__ if name not in ABSENT | {"first"}]


PINNED = {
    "arrival_s": "a3bfa90a9b86f307",
    "tenant": "16c0228453bf6101",
    "prompt_tokens": "d65cd65a41eef02c",
    "output_tokens": "7448568411405cea",
    "features": "13fc5f8c3ecd3e54",
    "satisfied": "abf59103559be021",
    "difficulty": "1ac490f8a2ff2623",
    "policy_uniforms": "00d2b0a046eaa937",
    "feedback_uniform": "20f2588a300c42df",
    "delay_s": "6040a9fdeae53011",
}


def test_one_chunk_is_pinned():
    """The same bits on every machine and in every version: another stream is a changelog entry."""
    chunk = drawn(RANDOM)
    assert {n: hashlib.sha256(getattr(chunk, n).tobytes()).hexdigest()[:16] for n in ALL} == PINNED


@pytest.mark.parametrize("change", [{"seed": 2}, {"replication": 1}, {"seed": 2**32 - 1, "replication": 2**32 - 1}])
def test_seed_and_replication_change_every_column(change):
    before, after = drawn(RANDOM), drawn(RANDOM | change)
    assert [n for n in ALL if same(getattr(before, n), getattr(after, n))] == []
    for name in ("difficulty", "feedback_uniform"):  # and leave no trace of the other
        correlation = np.corrcoef(getattr(before, name), getattr(after, name))[0, 1]
        assert abs(correlation) < 4.5 / np.sqrt(500)  # false alarm once in 70,000


def test_a_model_more_changes_no_other_column():
    """Not the arrivals, nor what the other models would answer, wherever the new one stands."""
    less = drawn(RANDOM)
    for at, others in ((0, [1, 2]), (1, [0, 2]), (2, [0, 1])):
        models = [model("small", 0.4), model("large", 0.8)]
        models.insert(at, model("middle", 0.6))
        more = drawn(RANDOM | {"models": models})
        for name in ALL:
            value = getattr(more, name)
            per_model = name in ("output_tokens", "satisfied", "delay_s")
            assert same(value[others] if per_model else value, getattr(less, name)), name


def test_a_models_columns_follow_its_name():
    renamed = drawn(RANDOM | {"models": [model("small", 0.4), model("grand", 0.8)]})
    before = drawn(RANDOM)
    for name in ("output_tokens", "satisfied", "delay_s"):
        assert same(getattr(renamed, name)[0], getattr(before, name)[0])
        assert not same(getattr(renamed, name)[1], getattr(before, name)[1])


def test_the_policy_draws_by_its_name():
    """Two policies face the same requests, and each has chance of its own."""
    one, other = drawn(RANDOM), drawn(RANDOM | {"router": {"policy": "random"}})
    assert [n for n in ALL if not same(getattr(one, n), getattr(other, n))] == ["policy_uniforms"]


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ({"sla": {"alpha": 0.9}}, []),
        ({"feedback": {"probability": 0.5, "delay": {"kind": "exponential", "mean_s": 3.0}}}, []),
        ({"arrivals": {"kind": "poisson", "rate_rps": 4.0}}, ["arrival_s"]),
        ({"features": {"dimensions": 3, "signal": 0.1}}, ["features"]),
        ({"satisfaction": {"kind": "irt", "slope": 3.0}}, ["satisfied"]),
        ({"tenants": [{"name": "x"}, {"name": "y", "share": 9.0}]}, ["tenant"]),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else "",
)
def test_what_is_not_concerned_stays(change, columns):
    before, after = drawn(RANDOM), drawn(RANDOM | change)
    assert [n for n in ALL if not same(getattr(before, n), getattr(after, n))] == columns


# ---- the methods are the kernel's -----------------------------------------------------------------------


def kernel(draw, first, n, sub=0, **odd) -> np.ndarray:
    out = np.empty(n)
    draw(_core.Stream(3, 42, replication=5, sub=sub), first, out, **odd)
    return out


def test_each_method_fills_its_column():
    chances = Chance(3, 5)
    for sub in (0, 4):
        assert same(chances.uniform(42, 9, 50, sub), kernel(_core.Stream.uniform, 9, 50, sub=sub))
        assert same(chances.uniform(42, 9, 50, sub, odd=True), kernel(_core.Stream.uniform, 9, 50, sub=sub, odd=True))
        assert same(chances.normal(42, 9, 50, sub, odd=True), kernel(_core.Stream.normal, 9, 50, sub=sub, odd=True))
        assert same(chances.choice(42, 9, 50, sub), kernel(_core.Stream.choice, 9, 50, sub=sub))
        for odd in (False, True):
            assert chances.one(42, 11, sub, odd) == chances.uniform(42, 9, 50, sub, odd)[2]
        assert chances.one_exponential(42, 11, sub) == kernel(_core.Stream.exponential, 9, 50, sub=sub)[2]
    assert same(chances.exponential(42, 9, 50), kernel(_core.Stream.exponential, 9, 50))
    assert same(chances.lognormal(42, 9, 50, 2.0, 0.5), np.array(_core.exp(2.0 + 0.5 * chances.normal(42, 9, 50))))
    out = np.empty(50)
    assert chances.normal(42, 9, 50, out=out) is out


def test_copies_and_components_are_numbers_of_their_own():
    chances = Chance(3)
    columns = [chances.uniform(42, 0, 2000, sub, odd) for sub in (0, 1, 2) for odd in (False, True)]
    correlations = np.corrcoef(columns)[np.triu_indices(6, 1)]
    assert np.abs(correlations).max() < 4.5 / np.sqrt(2000)  # false alarm once in 10,000: 15 pairs
