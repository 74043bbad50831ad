"""Write scenarios/data/ from the tables of a data directory.

    python tools/build_scenario_data.py [DATA]             write the files
    python tools/build_scenario_data.py [DATA] --measure   write nothing, print the features' worth

DATA is by default ../shared/data beside the repository.

azure_llm_2023_conv.csv.gz is copied byte for byte. mmlu_pro_outcomes.parquet keeps, for four of the 26 models
of DATA/routing/routing_outcomes_mmlu_pro.parquet, whether the answer is right and an estimate of its tokens,
and replaces each prompt by a few numbers. No prompt, no answer and no key is written. thirteen_tasks.parquet and
thirteen_tasks_tuning.parquet are two random halves of DATA/routing/routing_features_llmrouter9.parquet, for four of its
nine models; their features are that table's own.

Features of MMLU-Pro. From the text of a prompt alone: 18 statistics (`text_statistics`) and 16 latent topics (TF-IDF of
words and pairs of words, truncated SVD). Each of the 34 is standardised, clipped at 3 standard deviations and
standardised again. Their leading principal axes, scaled and clipped alike, are the features. Neither outcomes
nor the subject enter; only the number of axes, `FEATURES`, was chosen by looking at `--measure`.

The same tables and the same releases of NumPy, SciPy, scikit-learn and Polars give the same bytes.
"""

import argparse
import re
import shutil
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

REPOSITORY = Path(__file__).resolve().parents[1]
TARGET = REPOSITORY / "scenarios" / "data"
TRACE = "azure_llm_2023_conv.csv.gz"
OUTCOMES = "mmlu_pro_outcomes.parquet"

# In rising order of the cost of an answer, with the mean outcome to three decimals.
MODELS = {
    "Mistral-7B-Instruct-v0.2": 0.302,
    "Meta-Llama-3.1-8B-Instruct": 0.442,
    "Mixtral-8x7B-Instruct-v0.1": 0.425,
    "Meta-Llama-3.1-70B-Instruct": 0.628,
}
TASKS = "thirteen_tasks"
TASK_MODELS = (
    "mistral-7b-instruct-v0.3",
    "qwen2.5-7b-instruct",
    "llama-3.1-8b-instruct",
    "llama-3.1-nemotron-51b-instruct",
)
TASK_ROWS = 5_610
ANY_RIGHT = 0.758
ROWS = 12_032

TOPICS = 16
FEATURES = 6
CHARACTERS_PER_TOKEN = 4

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OPTION = re.compile(r"\n(?=[A-J]\. )")
NUMBER = re.compile(r"[\s$\\-]*[\d.]")
WORD = re.compile(r"[A-Za-z]+")
NEGATION = re.compile(r"\b(not|except|least|false|incorrect)\b", re.IGNORECASE)
CALCULATION = re.compile(
    r"\b(calculate|compute|determine|find|evaluate|solve|how many|how much|what is the value)\b",
    re.IGNORECASE,
)


def share(text: str, characters: str) -> float:
    """Return the share of `text` that is one of `characters`, 0 for an empty text."""
    return sum(character in characters for character in text) / max(1, len(text))


def text_statistics(prompt: str) -> list[float]:
    """Return 18 numbers that describe the form of a question with lettered options, not what it says."""
    question, *lettered = OPTION.split(prompt)
    options = [option[3:] for option in lettered] or [""]
    lengths = [len(option) for option in options]
    words = [word.lower() for word in WORD.findall(prompt)]
    letters = sum(len(word) for word in words)
    return [
        np.log(len(question)),
        np.log1p(np.mean(lengths)),
        np.log1p(np.std(lengths)),
        len(options),
        share(question, "0123456789"),
        share("".join(options), "0123456789"),
        np.mean([NUMBER.match(option) is not None for option in options]),
        share(prompt, "\\$^_{}="),  # LaTeX and formulas
        np.log1p(sum(character in "\\$^_{}=+*/<>" for character in prompt)),
        letters / max(1, len(words)),
        letters / len(prompt),
        sum(character.isupper() for character in prompt) / len(prompt),
        np.log1p(question.count(".")),
        float("?" in question),
        float(NEGATION.search(question) is not None),
        float(CALCULATION.search(question) is not None),
        len(set(words)) / max(1, len(words)),
        float("___" in question),
    ]


def standardised(columns: Floats) -> Floats:
    """Return the columns with mean 0 and variance 1, clipped at 3 standard deviations in between."""
    scaled = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    clipped = np.clip(scaled, -3, 3)
    result: Floats = (clipped - clipped.mean(axis=0)) / clipped.std(axis=0)
    return result


def describe(prompts: Sequence[str]) -> Floats:
    """Return the 34 standardised descriptions of every prompt: statistics of its form, then topics."""
    form = np.array([text_statistics(prompt) for prompt in prompts])
    counter = TfidfVectorizer(sublinear_tf=True, min_df=5, max_df=0.5, ngram_range=(1, 2))
    topics = TruncatedSVD(TOPICS, n_iter=20, random_state=0).fit_transform(counter.fit_transform(prompts))
    return standardised(np.hstack([form, topics]))


def leading_axes(descriptions: Floats, count: int) -> Floats:
    """Return the first `count` principal axes, standardised and rounded to three decimals."""
    axes = PCA(count, svd_solver="full").fit_transform(descriptions)
    return np.round(standardised(axes), 3)


def tokens(characters: str) -> pl.Expr:
    """Estimate tokens from a column of characters: a quarter, rounded half up, at least 1."""
    return ((pl.col(characters) + CHARACTERS_PER_TOKEN // 2) // CHARACTERS_PER_TOKEN).clip(1).cast(pl.UInt16)


def outcome_table(source: pl.DataFrame, features: Floats) -> pl.DataFrame:
    """Return the table to ship: id, subject, outcomes, estimated tokens, features."""
    columns = {f"feature__{j:02d}": pl.Series(x, dtype=pl.Float32) for j, x in enumerate(features.T)}
    return source.with_columns(characters=pl.col("prompt").str.len_chars()).select(
        prompt_id=pl.col("prompt_id").str.strip_prefix("mmlupro-").cast(pl.Int32),
        subject="category",
        **{f"ok__{model}": pl.col(f"ok__{model}").cast(pl.UInt8) for model in MODELS},
        prompt_tokens=tokens("characters"),
        **{f"output_tokens__{model}": tokens(f"out_chars__{model}") for model in MODELS},
        **columns,
    )


def check(table: pl.DataFrame) -> None:
    """Raise if the table is not the one that the scenarios are written for."""
    right = table.select(f"ok__{model}" for model in MODELS)
    collected = {model: round(right[f"ok__{model}"].cast(pl.Float64).sum() / table.height, 3) for model in MODELS}
    any_right = round(float(right.max_horizontal().cast(pl.Float64).sum()) / table.height, 3)
    if table.height != ROWS or collected != MODELS or any_right != ANY_RIGHT:
        raise ValueError(f"unexpected outcomes: {table.height} rows, {collected}, any right {any_right}")
    if sum(table.null_count().row(0)) or table["prompt_id"].n_unique() != ROWS:
        raise ValueError("a value is missing or a prompt_id occurs twice")


def read_source(data: Path) -> pl.DataFrame:
    """Read the table of all models, prompts included."""
    return pl.read_parquet(data / "routing" / "routing_outcomes_mmlu_pro.parquet")


def build(data: Path, target: Path) -> None:
    """Write all files into `target`."""
    source = read_source(data)
    table = outcome_table(source, leading_axes(describe(source["prompt"].to_list()), FEATURES))
    check(table)
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(data / "traces" / TRACE, target / TRACE)
    _write(table, target / OUTCOMES)
    tuning, reported = halves(read_tasks(data))
    _write(tuning, target / f"{TASKS}_tuning.parquet")
    _write(reported, target / f"{TASKS}.parquet")


def _write(table: pl.DataFrame, file: Path) -> None:
    table.write_parquet(file, compression="zstd", compression_level=19, statistics=False)


def read_tasks(data: Path) -> pl.DataFrame:
    """Read the outcomes of four models on 13 tasks, with features and no text."""
    source = pl.read_parquet(data / "routing" / "routing_features_llmrouter9.parquet")
    table = source.select(
        "prompt_id",
        "task",
        *(pl.col(f"ok__{model}").cast(pl.UInt8) for model in TASK_MODELS),
        pl.col("prompt_tokens_estimate").alias("prompt_tokens"),
    ).hstack(source.select(pl.col("^feature__.*$").cast(pl.Float32)))
    if table.height != TASK_ROWS or sum(table.null_count().row(0)) or table["task"].n_unique() != 13:
        raise ValueError(
            f"unexpected tasks: {table.height} rows, {table['task'].n_unique()} tasks, or a value is missing"
        )
    return table


def halves(table: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split the prompts at random: settings are chosen on the first part, results are told of the second."""
    first = pl.Series(np.random.default_rng(0).random(table.height) < 0.5)
    return table.filter(first), table.filter(~first)


# What the features are worth. Draws are with replacement, as a scenario draws them.

DRAWS = 19_366
RATES = (0.003, 0.01, 0.03, 0.1)
ALPHA = 0.55
JOULES = np.array([20.0, 25.0, 60.0, 350.0])  # round figures, one a model


def sigmoid(z: Floats) -> Floats:
    """Return the logistic function of z."""
    result: Floats = 1 / (1 + np.exp(-z))
    return result


def loss_and_auc(right: Ints, predicted: Floats) -> Floats:
    """Return [model][log-loss, AUC]."""
    pairs = [(right[:, m], predicted[:, m]) for m in range(right.shape[1])]
    return np.array([[log_loss(s, np.clip(p, 1e-12, 1 - 1e-12)), roc_auc_score(s, p)] for s, p in pairs])


def cross_validated(features: Floats, right: Ints, groups: Ints) -> Floats:
    """Predict every row by logistic regression on four fifths of the others; equal prompts share a fold."""
    predicted = np.empty(right.shape)
    for train, test in GroupKFold(5, shuffle=True, random_state=0).split(features, groups=groups):
        for m in range(right.shape[1]):
            fit = LogisticRegression(max_iter=500).fit(features[train], right[train, m])
            predicted[test, m] = fit.predict_proba(features[test])[:, 1]
    return predicted


def learn(weights: Floats, x: Floats, right: Ints, rate: float) -> None:
    """Take one step of SGD on the outcomes of all models, in place."""
    weights -= rate * np.outer(x, sigmoid(x @ weights) - right)


def with_bias(features: Floats) -> Floats:
    """Append a column of ones."""
    return np.hstack([features, np.ones((len(features), 1))])


def online(features: Floats, right: Ints, rate: float, explored: float, seed: int) -> Floats:
    """Predict each of DRAWS rows, then learn it with probability `explored`; return loss and AUC."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(features), DRAWS)
    x, s = with_bias(features)[rows], right[rows]
    weights = np.zeros((x.shape[1], s.shape[1]))
    predicted = np.empty(s.shape)
    start = 0
    for t in [*np.flatnonzero(rng.random(DRAWS) < explored), DRAWS - 1]:
        predicted[start : t + 1] = sigmoid(x[start : t + 1] @ weights)
        learn(weights, x[t], s[t], rate)
        start = t + 1
    return loss_and_auc(s, predicted)


def route(features: Floats, right: Ints, v: float, rate: float, seed: int, c: float = 0.1) -> Floats:
    """Run MESS+ alone; return satisfaction, Q, joules of the answers seen and of all, models' shares."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(features), DRAWS)
    explores = rng.random(DRAWS) < np.minimum(1, c * np.arange(1, DRAWS + 1) ** -0.25)
    x, s = with_bias(features)[rows], right[rows]
    weights = np.zeros((x.shape[1], s.shape[1]))
    q = 0.0
    chosen = np.empty(DRAWS, dtype=np.int64)
    for t in range(DRAWS):
        if explores[t]:
            learn(weights, x[t], s[t], rate)
            m = len(JOULES) - 1
        else:
            m = int(np.argmin(v * JOULES + q * (ALPHA - sigmoid(x[t] @ weights))))
        chosen[t] = m
        q = max(0.0, q + ALPHA - s[t, m])
    seen = JOULES[chosen].mean()
    copies = explores.mean() * JOULES[:-1].sum()
    shares = np.bincount(chosen, minlength=len(JOULES)) / DRAWS
    return np.array([s[np.arange(DRAWS), chosen].mean(), q, seen, seen + copies, *shares])


def cheapest_mix(predicted: Floats, right: Ints) -> float:
    """Return the joules a request when argmin E - price s just satisfies ALPHA, mixing two prices."""
    below = (0.0, 0.0)
    for price in np.geomspace(1, 1e5, 4000):
        m = np.argmin(JOULES - price * predicted, axis=1)
        point = (right[np.arange(len(m)), m].mean(), JOULES[m].mean())
        if point[0] >= ALPHA:
            part = (ALPHA - below[0]) / (point[0] - below[0])
            return float(below[1] + part * (point[1] - below[1]))
        below = point
    raise ValueError("no price reaches ALPHA")


def batch_table(right: Ints, few: Floats, all_34: Floats) -> Iterator[str]:
    """Yield a line a model for predictions made out of fold."""
    yield f"Batch: log-loss of the constant | log-loss, AUC of {FEATURES} axes | log-loss, AUC of all 34"
    scores = np.hstack([loss_and_auc(right, few), loss_and_auc(right, all_34)])
    for model, p, row in zip(MODELS, right.mean(axis=0), scores, strict=True):
        constant = -p * np.log(p) - (1 - p) * np.log(1 - p)
        yield " | ".join([model, *(f"{value:.3f}" for value in (constant, *row))])


def online_table(right: Ints, inputs: dict[int, Floats], explored: float) -> Iterator[str]:
    """Yield a line a number of features: the mean of 12 streams and of the models for every learning rate."""
    yield f"Online, {explored:.1%} of the draws learnt: log-loss / AUC at rates {RATES}"
    for count, x in inputs.items():
        runs = [[online(x, right, rate, explored, seed) for seed in range(12)] for rate in RATES]
        cells = np.mean(runs, axis=(1, 2))
        yield " | ".join([str(count), *(f"{loss:.3f} / {auc:.3f}" for loss, auc in cells)])


def routing_table(right: Ints, inputs: dict[int, Floats]) -> Iterator[str]:
    """Yield a line a number of features, learning rate and V: the mean of 20 streams."""
    yield "MESS+ alone: features, rate, V | satisfaction (s.d.) | Q | J seen | J in all | shares"
    for count, x in inputs.items():
        for rate, v in product((0.01, 0.03), (1e-5, 1e-4, 1e-3, 1e-2)):
            runs = np.array([route(x, right, v, rate, seed) for seed in range(20)])
            satisfaction, q, seen, total, *shares = runs.mean(axis=0)
            yield (
                f"{count}, {rate}, {v:.0e} | {satisfaction:.4f} ({runs[:, 0].std(ddof=1):.4f}) | {q:.1f} "
                f"| {seen:.0f} | {total:.0f} | {' '.join(f'{value:.3f}' for value in shares)}"
            )


def measured(data: Path) -> Iterator[str]:
    """Yield the lines of the tables in scenarios/data/README.md."""
    source = read_source(data)
    right = source.select(f"ok__{model}" for model in MODELS).to_numpy().astype(np.int64)
    descriptions = describe(source["prompt"].to_list())
    inputs = {count: leading_axes(descriptions, count) for count in (2, 4, 6, 8, 16)} | {34: descriptions}

    groups = np.unique(source["prompt"].to_numpy().astype(str), return_inverse=True)[1]
    few, all_34 = (cross_validated(inputs[count], right, groups) for count in (FEATURES, 34))
    yield from batch_table(right, few, all_34)
    for explored in (0.05, 219 / DRAWS):  # 219: what MESS+ explores with c = 0.1
        yield from online_table(right, inputs, explored)
    gap = right[:, 3] - right[:, 1]
    for name, known in {f"{FEATURES} axes": few, "all 34": all_34, "outcomes": right.astype(float)}.items():
        r = np.corrcoef(known[:, 3] - known[:, 1], gap)[0, 1]
        yield f"Knowing {name}: cheapest at {ALPHA} {cheapest_mix(known, right):.1f} J, r of 70B - 8B {r:.3f}"
    no_features = descriptions[:, :0]
    yield from routing_table(right, {0: no_features} | {count: inputs[count] for count in (FEATURES, 16, 34)})


def main() -> None:
    """Build the files, or measure the features."""
    parser = argparse.ArgumentParser(description="Write scenarios/data/ from a data directory.")
    parser.add_argument("data", nargs="?", type=Path, default=REPOSITORY.parent / "shared" / "data")
    parser.add_argument("--measure", action="store_true", help="write nothing, print the features' worth")
    arguments = parser.parse_args()
    with threadpool_limits(1):  # sums in one order on every machine of a kind
        if arguments.measure:
            for line in measured(arguments.data):
                print(line, flush=True)
        else:
            build(arguments.data, TARGET)


if __name__ == "__main__":
    main()
