"""Built-in lengths of answers: real models' histograms, found by task and by the model's name."""

import numpy as np
import pytest
from builders import model, run, scenario

from messsim.errors import ScenarioError
from messsim.scenario import parse
from messsim.scenario.laws import Builtin
from messsim.workload import Workload
from messsim.workload.answers import answers_of

# Mean output tokens as the benchmark's readings have them (data of the ML.ENERGY leaderboard, version 3).
MEANS = [
    ("gpqa", "openai/gpt-oss-120b", 1718),
    ("gpqa", "deepseek-ai/DeepSeek-R1-0528", 11_443),
    ("gpqa", "Qwen/Qwen3-8B", 8113),
    ("lm-arena-chat", "meta-llama/Llama-3.1-8B-Instruct", 399),
    ("sourcegraph-fim", "Qwen/Qwen3-Coder-30B-A3B-Instruct", 253),
]


def of(task, name):
    return answers_of(Builtin(task=task), (name,))


@pytest.mark.parametrize(("task", "name", "mean"), MEANS)
def test_means_are_those_of_the_source(task, name, mean):
    known = of(task, name)
    assert np.average(known.tokens, weights=known.weights) == pytest.approx(mean, abs=0.6)


def test_a_bin_is_even_and_the_last_one_closed():
    """gpt-oss-120b: 6,187 of 34,848 answers have 90 to 743 tokens; one bin further on it is 12,166, and so on."""
    known = of("gpqa", "gpt-oss-120b")
    assert (known.tokens[0], known.tokens[-1]) == (90, 32_768)
    assert known.weights[:654] == pytest.approx(6187 / 654)
    assert known.weights.sum() == pytest.approx(34_848)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Qwen/Qwen3-8B", "Qwen/Qwen3-8B"),
        ("qwen3-8b", "Qwen/Qwen3-8B"),
        ("DeepSeek-R1", "deepseek-ai/DeepSeek-R1-0528"),
        ("Qwen3-235B-A22B", "Qwen/Qwen3-235B-A22B-Thinking-2507"),  # the shorter of two
    ],
)
def test_models_are_known_by_several_names(name, expected):
    assert of("gpqa", name) is of("gpqa", expected)


def test_draws_follow_the_histogram():
    law = {"kind": "builtin", "task": "gpqa", "model": "Qwen/Qwen3-8B"}
    workload = Workload(parse(scenario(tokens={"output": law}, requests=20_000)))
    drawn = workload.columns(0, 20_000).output_tokens
    known = of("gpqa", "Qwen3-8B")
    assert drawn.min() >= known.tokens[0] and drawn.max() <= known.tokens[-1]  # noqa: PT018
    assert drawn[0].mean() == pytest.approx(workload.mean_output_tokens(0), rel=0.02)
    assert not np.array_equal(drawn[0], drawn[1])  # each model has chance of its own
    squares = np.average(known.tokens.astype(float) ** 2, weights=known.weights)
    assert workload.mean_square_output_tokens(0) == pytest.approx(squares)


def test_a_model_is_known_by_its_profile_or_by_its_name():
    law = {"kind": "builtin", "task": "gpqa"}
    models = [model("gpt-oss-20b", 0.4, output=law), model("gpt-oss-120b", 0.8)]
    r = run(scenario(models=models, tokens={"output": law}, requests=5), "compiled")
    assert r.records.output_tokens.min() >= 90
    served = {"name": "big", "satisfaction": 0.5, "profile": "gpt-oss-120b", "gpu": "H100", "output": law}
    assert Workload(parse(scenario(models=[served]))).mean_output_tokens(0) == pytest.approx(1718, abs=0.6)


@pytest.mark.parametrize(
    ("law", "message"),
    [
        ({"task": "gqpa"}, r"models.0.output.task = 'gqpa': no such task; did you mean 'gpqa'\?"),
        ({"task": "poetry"}, "expected one of gpqa, lm-arena-chat, sourcegraph-fim"),
        ({"task": "gpqa", "model": "Qwen3-18B"}, r"models.0.output.model = 'Qwen3-18B': .* mean 'Qwen/Qwen3-8B'"),
        ({"task": "gpqa"}, r"models.0.output: no lengths of the answers of small to gpqa .*models.0.output.model"),
    ],
)
def test_unknown_tasks_and_models_are_refused(law, message):
    models = [model("small", output={"kind": "builtin"} | law)]
    with pytest.raises(ScenarioError, match=message):
        Workload(parse(scenario(models=models)))


def test_prompts_have_no_builtin_lengths():
    law = {"kind": "builtin", "task": "gpqa"}
    with pytest.raises(ScenarioError, match=r"tokens.prompt.kind = 'builtin': lengths of answers are built in"):
        parse(scenario(tokens={"prompt": law}))
