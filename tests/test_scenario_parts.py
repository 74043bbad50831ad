"""Parts of scenarios by themselves: defaults of engines, words of errors."""

import datetime as dt
from typing import Literal

import pytest
from builders import COEFFICIENTS, model, scenario
from pydantic import Field

from messsim.errors import ScenarioError
from messsim.scenario import parse
from messsim.scenario.base import Count, Fraction, NonNegative, Part, Positive, Share
from messsim.scenario.changing import changed_at, full_path, value_of
from messsim.scenario.engines import defaults_of, followed
from messsim.scenario.laws import ConstantDelay
from messsim.scenario.own import with_own_profiles
from messsim.scenario.problems import checked, near, paths_to
from messsim.scenario.scenario import Scenario
from messsim.scenario.shipped import files_of, shipped
from messsim.scenario.toml import read_toml

# ---- what engines do by default -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("engine", "gpu", "sequences", "tokens", "block"),
    [
        ("vllm", "H100", 1024, 8192, 16),
        ("vllm", "A100", 256, 2048, 16),
        ("vllm", "NVIDIA A100-SXM4-80GB", 256, 2048, 16),
        ("vllm", "L40S", 256, 2048, 16),
        ("vllm", "H200", 1024, 8192, 16),  # 141 GiB
        ("vllm", "B200", 1024, 16384, 16),
        ("vllm", "H100-64GB", 256, 2048, 16),
        ("vllm", "H100 70GB", 1024, 8192, 16),
        ("vllm", "H100 160GB", 1024, 16384, 16),
        ("sglang", "A100-16GB", 2048, 2048, 1),
        ("sglang", "A100-20GB", 2048, 4096, 1),
        ("sglang", "L40S", 2048, 4096, 1),
        ("sglang", "H100-60GB", 2048, 8192, 1),
        ("sglang", "H200", 2048, 8192, 1),
        ("sglang", "B300", 2048, 16384, 1),
        ("tensorrt-llm", "H100", 2048, 8192, 32),
    ],
)
def test_limits_by_the_memory_of_the_gpu(engine, gpu, sequences, tokens, block):
    limits = defaults_of(engine, gpu)
    assert (limits["max_num_seqs"], limits["max_batched_tokens"], limits["kv_block_tokens"]) == (
        sequences,
        tokens,
        block,
    )
    assert (limits["schedule"], limits["prefix_cache"], limits["lookahead"]) == (engine, True, 1)
    assert limits["chunked_prefill"] is (engine != "tensorrt-llm")
    assert limits["kv_policy"] == ("reserve" if engine == "tensorrt-llm" else "recompute")
    assert limits["front_end_s"] == ConstantDelay(mean_s=0.01)


def test_an_unknown_gpu_is_refused_and_versions_are_stated():
    with pytest.raises(ValueError, match="gpu = 'TPU': the defaults of vllm go by the GPU's memory; expected one"):
        defaults_of("vllm", "TPU")
    assert followed("vllm") == "vllm 0.32"
    assert followed("sglang") == "sglang 0.5.23"
    assert followed("tensorrt-llm") == "tensorrt-llm 1.2"


# ---- words of errors ------------------------------------------------------------------------------------


class Inner(Part):
    """A table."""

    size: Count = Field(description="how many")
    share: Fraction = Field(0.5, description="of all")


class Outer(Part):
    """A table with others."""

    inner: Inner | None = Field(None, description="the inner one")
    rate: Positive = Field(1.0, description="a rate")
    least: NonNegative = Field(0.0, description="the least")
    part: Share = Field(1.0, description="a part")
    mode: Literal["one", "two"] = Field("one", description="a mode")
    flag: bool = Field(False, description="a flag")
    names: list[str] = Field(default_factory=list, max_length=2, description="names")


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ({"rate": 0}, ["rate = 0: expected above 0"]),
        ({"rate": 1e-16}, ["rate = 1e-16: expected at least 1e-15"]),
        ({"rate": 1.1e15}, ["rate = 1100000000000000.0: expected at most 1e+15"]),
        ({"least": -1}, ["least = -1: expected at least 0"]),
        ({"part": 1e13}, ["part = 10000000000000.0: expected at most 1000000000000"]),
        ({"rate": "x"}, ["rate = 'x': expected a number"]),
        ({"rate": float("nan")}, ["rate = nan: expected a finite number"]),
        ({"flag": 1}, ["flag = 1: expected true or false"]),
        ({"inner": 3}, ["inner = 3: expected a table"]),
        ({"inner": {}}, ["inner.size: missing; expected how many"]),
        ({"inner": {"size": 0}}, ["inner.size = 0: expected at least 1"]),
        ({"inner": {"size": 1.5}}, ["inner.size = 1.5: expected a whole number"]),
        ({"inner": {"size": True}}, ["inner.size = true: expected a whole number"]),
        ({"inner": {"size": 2**31}}, ["inner.size = 2147483648: expected at most 2147483647"]),
        ({"inner": {"size": 10**400}}, ["inner.size = a huge number: expected at most 2147483647"]),
        ({"inner": {"size": 1, "share": 1.1}}, ["inner.share = 1.1: expected at most 1"]),
        ({"inner": {"size": 1, "shaer": 1}}, ["inner.shaer: unknown key; did you mean 'share'?"]),
        ({"mode": "tow"}, ["mode = 'tow': expected one of one, two; did you mean 'two'?"]),
        ({"names": ["a", "b", "c"]}, ["names = ['a', 'b', 'c']: expected at most 2 entries"]),
        ({"names": "a"}, ["names = 'a': expected a list"]),
        ({"names": [1]}, ["names.0 = 1: expected a string"]),
        ({"names": {"a" * 80: 1}}, ["names = {...}: expected a list"]),
        ({"rate": "y" * 80}, [f"rate = '{'y' * 56}...: expected a number"]),
        ({"rate": dt.date(2024, 5, 6)}, ["rate = 2024-05-06: expected a number"]),
        ({"rate": -1, "least": -1}, ["rate = -1: expected above 0", "least = -1: expected at least 0"]),
    ],
)
def test_each_problem_has_a_line_with_key_value_and_what_was_expected(data, lines):
    with pytest.raises(ScenarioError) as error:
        checked(Outer, data)
    assert error.value.problems == lines
    with pytest.raises(ScenarioError) as error:
        checked(Outer, data, "f.toml")
    assert str(error.value) == "\n".join(f"f.toml: {line}" for line in lines)


def test_what_is_built_in_python_has_the_same_errors():
    with pytest.raises(ScenarioError) as error:
        Outer(rate=0)
    assert str(error.value) == "Outer: rate = 0: expected above 0"
    assert Outer(rate=1e-15).rate == 1e-15
    assert Outer(rate=1e15, least=0).is_chosen("rate")
    assert not Outer(rate=1.0).is_chosen("rate")


def test_the_nearest_name():
    assert near("rato", ["rate", "ratio"]) in ("; did you mean 'rate'?", "; did you mean 'ratio'?")
    assert near("zzz", ["rate"]) == ""
    assert near(3, ["rate"]) == ""


# ---- other values of a scenario -------------------------------------------------------------------------


def test_a_key_of_one_table_has_a_path():
    assert full_path(Scenario, "alpha") == "sla.alpha"
    assert full_path(Scenario, "router.V") == "router.V"
    assert full_path(Outer, "size") == "inner.size"
    assert sorted(paths_to("share", Outer)) == ["inner.share"]
    with pytest.raises(ScenarioError, match=r"^kind: is a key of several tables; expected one of .*arrivals.kind"):
        full_path(Scenario, "kind")
    with pytest.raises(ScenarioError, match=r"^alhpa: unknown key"):
        full_path(Scenario, "alhpa")


def test_a_scenario_with_other_values_is_checked_as_a_file():
    s = parse(scenario())
    assert changed_at(s, {"router.V": 0.5, "models.small.replicas": 3}).fleet[0].replicas == 3
    assert s.fleet[0].replicas == 1
    assert [m.name for m in changed_at(s, {"models.large.replicas": 0}).models] == ["small"]
    with pytest.raises(ScenarioError, match=r"^'router\.\.V': expected a key path such as router.V"):
        changed_at(s, {"router..V": 1})
    with pytest.raises(ScenarioError, match=r"router.V = -1"):
        changed_at(s, {"router.V": -1})


def test_a_value_of_a_field_is_checked_by_itself():
    assert value_of(Outer, "rate", 2.0) == 2.0
    assert value_of(Outer, "inner", {"size": 2}).size == 2
    with pytest.raises(ScenarioError, match=r"^rate = -2.0: expected above 0"):
        value_of(Outer, "rate", -2.0)
    with pytest.raises(ScenarioError, match=r"^inner.size = 0: expected at least 1"):
        value_of(Outer, "inner", {"size": 0})


# ---- profiles of one's own, TOML, shipped files ---------------------------------------------------------

PROFILE = """
gpu = "H100"
tp = 2
kv_capacity_tokens = 1000
detokenize_s = 0.5
[coefficients]
a0_s = 0.01
p0_w_per_gpu = 5.0
"""


def test_a_profile_file_fills_what_the_scenario_leaves_open(tmp_path):
    (tmp_path / "p.toml").write_text(PROFILE)
    entry = {"name": "m", "profile": "p.toml", "kv_capacity_tokens": 7, "coefficients": {"a0_s": 0.5}}
    (filled,) = with_own_profiles({"models": [entry]}, tmp_path, None)["models"]
    assert "profile" not in filled
    assert (filled["gpu"], filled["tp"], filled["kv_capacity_tokens"], filled["detokenize_s"]) == ("H100", 2, 7, 0.5)
    assert (filled["coefficients"]["a0_s"], filled["coefficients"]["p0_w_per_gpu"]) == (0.5, 5.0)
    assert "front_end_s" not in filled
    other = {"models": [{"profile": "Llama"}, 3], "pools": "x"}
    assert with_own_profiles(other, tmp_path, None) == other


def test_a_profile_is_of_its_gpus(tmp_path):
    (tmp_path / "p.toml").write_text(PROFILE)
    for key, value, expected in (("gpu", "A100", "'H100'"), ("tp", 1, "2")):
        with pytest.raises(ScenarioError) as error:
            with_own_profiles({"pools": [{"profile": "p.toml", key: value}]}, tmp_path, "s.toml")
        assert str(error.value) == f"s.toml: pools.0.{key} = {value!r}: expected {expected}, which p.toml is of"


def test_files_that_are_no_toml(tmp_path):
    file = tmp_path / "f.toml"
    for content, message in (
        (b"a = \xff", "not UTF-8 text: byte 4 is 0xff"),
        (b"a = ", "not valid TOML: "),
        (b"a = " + b"[" * 100_000, "not valid TOML: nested too deeply"),
    ):
        file.write_bytes(content)
        with pytest.raises(ScenarioError, match=message):
            read_toml(file, "a scenario")
    with pytest.raises(ScenarioError, match="no such file; expected a scenario in TOML"):
        read_toml(tmp_path / "none.toml", "a scenario")
    file.write_bytes(b"\xef\xbb\xbfa = 1")
    assert read_toml(file, "a scenario") == {"a": 1}


def test_shipped_scenarios_are_known_by_several_names():
    file = shipped("quickstart")
    assert file.name == "quickstart.toml"
    assert shipped("scenarios/quickstart.toml") == file
    assert files_of(file)[0].name == "quickstart.toml"
    with pytest.raises(ScenarioError, match="quikstart: no such example; did you mean 'quickstart'"):
        shipped("quikstart")


def test_coefficients_of_builders_are_a_models():
    assert parse(scenario(models=[model("a")])).models[0].coefficients.a0_s == COEFFICIENTS["a0_s"]
