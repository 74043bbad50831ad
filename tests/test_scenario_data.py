"""The data files of scenarios/data/: what they hold, and that they hold no text."""

import gzip
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "scenarios" / "data"
DATA = REPOSITORY.parent / "shared" / "data"

MODELS = {
    "Mistral-7B-Instruct-v0.2": 0.302,
    "Meta-Llama-3.1-8B-Instruct": 0.442,
    "Mixtral-8x7B-Instruct-v0.1": 0.425,
    "Meta-Llama-3.1-70B-Instruct": 0.628,
}
OK = [f"ok__{model}" for model in MODELS]
TOKENS = ["prompt_tokens", *(f"output_tokens__{model}" for model in MODELS)]
FEATURES = [f"feature__{j:02d}" for j in range(6)]


@pytest.fixture(scope="module")
def outcomes() -> pl.DataFrame:
    return pl.read_parquet(FOLDER / "mmlu_pro_outcomes.parquet")


@pytest.fixture(scope="module")
def trace() -> pl.DataFrame:
    return pl.read_csv(FOLDER / "azure_llm_2023_conv.csv.gz")


# Outcomes


def test_outcomes_have_these_columns_and_types_and_no_text_but_the_subject(outcomes: pl.DataFrame) -> None:
    assert outcomes.schema == (
        {"prompt_id": pl.Int32, "subject": pl.String}
        | dict.fromkeys(OK, pl.UInt8)
        | dict.fromkeys(TOKENS, pl.UInt16)
        | dict.fromkeys(FEATURES, pl.Float32)
    )
    assert outcomes["subject"].unique().sort().str.join(", ").item() == (
        "biology, business, chemistry, computer science, economics, engineering, health, history, law, math, "
        "other, philosophy, physics, psychology"
    )


def test_outcomes_are_complete(outcomes: pl.DataFrame) -> None:
    assert outcomes.height == 12_032
    assert outcomes["prompt_id"].n_unique() == 12_032
    assert sum(outcomes.null_count().row(0)) == 0
    assert np.isfinite(outcomes.select(FEATURES).to_numpy()).all()


def test_outcomes_are_bits_with_the_known_means(outcomes: pl.DataFrame) -> None:
    right = outcomes.select(OK).to_numpy()
    assert set(np.unique(right)) == {0, 1}
    assert dict(zip(MODELS, right.mean(axis=0).round(3).tolist(), strict=True)) == MODELS
    assert round(float(right.max(axis=1).mean()), 3) == 0.758


def test_a_better_model_is_not_right_wherever_a_worse_one_is(outcomes: pl.DataFrame) -> None:
    # 0.40 is the correlation of the two Llama models; columns out of step with each other would give 0.
    llama = outcomes.select(column for column in OK if "Llama" in column).to_numpy()
    assert np.corrcoef(llama.T)[0, 1] == pytest.approx(0.40, abs=0.005)


@pytest.mark.parametrize(
    ("column", "mean_characters"),
    [
        ("prompt_tokens", 651.8),
        ("output_tokens__Mistral-7B-Instruct-v0.2", 414.9),
        ("output_tokens__Meta-Llama-3.1-8B-Instruct", 916.4),
        ("output_tokens__Mixtral-8x7B-Instruct-v0.1", 366.7),
        ("output_tokens__Meta-Llama-3.1-70B-Instruct", 494.9),
    ],
)
def test_a_token_is_four_characters(outcomes: pl.DataFrame, column: str, mean_characters: float) -> None:
    tokens = outcomes[column].cast(pl.Float64).to_numpy()
    assert tokens.min() >= 1
    # Rounding half up adds 1/8 to the mean when the remainders by four are equally frequent.
    assert tokens.mean() == pytest.approx(mean_characters / 4 + 1 / 8, abs=0.1)


def test_features_are_standardised_and_distinct(outcomes: pl.DataFrame) -> None:
    features = outcomes.select(FEATURES).to_numpy().astype(np.float64)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(features.var(axis=0), 1, atol=1e-3)
    assert np.abs(features).max() < 3.5
    # Axes are uncorrelated before they are clipped, nearly so after.
    np.testing.assert_allclose(np.corrcoef(features.T), np.eye(len(FEATURES)), atol=0.05)


def test_features_tell_difficulty(outcomes: pl.DataFrame) -> None:
    """A least-squares fit on the even rows must rank the odd ones: features in another row order give 0.5."""
    x = np.hstack([outcomes.select(FEATURES).to_numpy(), np.ones((outcomes.height, 1))]).astype(np.float64)
    for column, least in zip(OK, (0.66, 0.61, 0.65, 0.61), strict=True):
        right = outcomes[column].to_numpy().astype(np.float64)
        score = x[1::2] @ np.linalg.lstsq(x[::2], right[::2])[0]
        rank = score.argsort().argsort() + 1
        yes = right[1::2] == 1
        n1, n0 = yes.sum(), (~yes).sum()
        assert (rank[yes].sum() - n1 * (n1 + 1) / 2) / (n1 * n0) > least, column


# Thirteen tasks

TASK_MODELS = ["mistral-7b-instruct-v0.3", "qwen2.5-7b-instruct", "llama-3.1-8b-instruct"]
TASK_MODELS += ["llama-3.1-nemotron-51b-instruct"]
HALVES = {
    "thirteen_tasks_tuning": (2_801, [0.381, 0.570, 0.613, 0.662]),
    "thirteen_tasks": (2_809, [0.385, 0.554, 0.594, 0.655]),
}


@pytest.mark.parametrize("name", HALVES)
def test_a_half_of_the_tasks_holds_numbers_with_the_known_means(name: str) -> None:
    table = pl.read_parquet(FOLDER / f"{name}.parquet")
    rows, means = HALVES[name]
    assert table.schema == (
        {"prompt_id": pl.Int32, "task": pl.String}
        | dict.fromkeys((f"ok__{m}" for m in TASK_MODELS), pl.UInt8)
        | {"prompt_tokens": pl.UInt16}
        | dict.fromkeys((f"feature__{j:02d}" for j in range(32)), pl.Float32)
    )
    assert (table.height, table["task"].n_unique(), sum(table.null_count().row(0))) == (rows, 13, 0)
    right = table.select(f"ok__{m}" for m in TASK_MODELS).to_numpy()
    assert set(np.unique(right)) == {0, 1}
    assert right.mean(axis=0) == pytest.approx(means, abs=5e-4)


def test_no_prompt_is_in_both_halves_and_the_quickstart_starts_at_means_of_the_other() -> None:
    import messsim

    tuning, reported = (pl.read_parquet(FOLDER / f"{name}.parquet")["prompt_id"] for name in HALVES)
    assert tuning.n_unique() + reported.n_unique() == 5_610
    assert not set(tuning) & set(reported)
    scenario = messsim.load(REPOSITORY / "scenarios" / "quickstart.toml")
    data = dict(zip([str(m.column) for m in scenario.models], scenario.router.predictor.means or [], strict=True))
    known = pl.read_parquet(FOLDER / "thirteen_tasks_tuning.parquet")
    assert data == pytest.approx({c: known[c].cast(pl.Float64).mean() for c in data}, abs=5e-4)


# Trace


def test_trace_is_the_azure_conversation_trace(trace: pl.DataFrame) -> None:
    assert trace.columns == ["arrival_s", "prompt_tokens", "output_tokens"]
    assert trace.height == 19_366
    assert sum(trace.null_count().row(0)) == 0
    assert trace["prompt_tokens"].mean() == pytest.approx(1_154.70, abs=0.005)
    assert trace["output_tokens"].mean() == pytest.approx(211.13, abs=0.005)
    assert trace.select("prompt_tokens", "output_tokens").min().row(0) == (2, 7)


def test_trace_starts_at_zero_and_never_goes_back(trace: pl.DataFrame) -> None:
    arrivals = trace["arrival_s"]
    assert arrivals[0] == 0
    assert arrivals.is_sorted()
    assert trace.height / arrivals[-1] == pytest.approx(5.53, abs=0.005)


# The folder


def test_the_folder_is_small_and_described() -> None:
    files = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert sum(files.values()) < 2_500_000
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    notice = (REPOSITORY / "NOTICE").read_text(encoding="utf-8")
    for name in files.keys() - {"README.md"}:
        assert f"`{name}`" in readme
        assert f"scenarios/data/{name}" in notice


# The tool


def load_tool() -> ModuleType:
    path = REPOSITORY / "tools" / "build_scenario_data.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the tables in {DATA}")
def test_the_tool_rebuilds_what_is_shipped(tmp_path: Path, outcomes: pl.DataFrame) -> None:
    pytest.importorskip("sklearn")
    load_tool().build(DATA, tmp_path)
    name = "azure_llm_2023_conv.csv.gz"
    assert gzip.decompress((tmp_path / name).read_bytes()) == gzip.decompress((FOLDER / name).read_bytes())
    for half in HALVES:
        assert pl.read_parquet(tmp_path / f"{half}.parquet").equals(pl.read_parquet(FOLDER / f"{half}.parquet"))
    rebuilt = pl.read_parquet(tmp_path / "mmlu_pro_outcomes.parquet")
    assert rebuilt.drop(FEATURES).equals(outcomes.drop(FEATURES))
    # The last digit may turn with another release of BLAS.
    np.testing.assert_allclose(rebuilt.select(FEATURES), outcomes.select(FEATURES), atol=0.0025)


def test_text_statistics_by_hand() -> None:
    pytest.importorskip("sklearn")
    result = load_tool().text_statistics("Find x_1. Is it not 2?\nA. 10\nB. -7 m")
    assert result == pytest.approx(
        [
            np.log(22),  # characters of the question
            np.log1p(3),  # mean and deviation of the options' lengths 2 and 4
            np.log1p(1),
            2,  # options
            2 / 22,  # digits of the question, of the options
            3 / 6,
            1,  # both options are numbers
            1 / 36,  # the underscore
            np.log1p(1),
            (4 + 1 + 2 + 2 + 3 + 1 + 1 + 1) / 8,  # letters a word: Find x Is it not A B m
            15 / 36,
            4 / 36,  # capitals: F I A B
            np.log1p(1),  # full stops
            1,  # a question mark, a negation, a calculation
            1,
            1,
            1,  # all words differ
            0,  # no blank to fill
        ]
    )


DRAWN = (
    "mmlu_pro_outcomes.parquet: 19,366 requests are drawn from its 12,032 rows; "
    "about 48 % of them are taken more than once"
)


def test_exploring_with_a_model_that_is_not_the_best_is_noted() -> None:
    import messsim
    from messsim.engines import prepare

    path = Path(__file__).parents[1] / "scenarios" / "when-routing-does-not-pay.toml"
    assert prepare(messsim.load(path)).notes == [DRAWN]
    notes = prepare(messsim.load(path, ['router.reference="mixtral-8x7b"'])).notes
    assert notes == [
        "router.reference: mixtral-8x7b answers the user when exploring, but llama-3.1-70b is more satisfying",
        DRAWN,
    ]


def test_a_promise_above_the_best_model_is_noted() -> None:
    import messsim
    from messsim.engines import prepare

    path = Path(__file__).parents[1] / "scenarios" / "when-routing-does-not-pay.toml"
    notes = prepare(messsim.load(path, ["sla.alpha=0.7"])).notes
    assert notes == [
        "alpha = 0.7 is above the best model's mean satisfaction 0.628: only a router that foresees "
        "which model is right can keep it",
        DRAWN,
    ]
