"""The scenario as data: defaults, dumping and loading again, pools, tenants, notes, the schema."""

import re
import tomllib
from pathlib import Path

import jsonschema
import pytest
from builders import COEFFICIENTS, model, pool, scenario
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import scenarios

from messsim.scenario import Scenario, dump, load, notes_of, parse, schema
from messsim.scenario.laws import Constant, Immediate

SHIPPED = sorted((Path(__file__).resolve().parents[1] / "scenarios").rglob("*.toml"))
VALIDATOR = jsonschema.Draft202012Validator(schema())
each_shipped = pytest.mark.parametrize("file", SHIPPED, ids=lambda f: f.stem)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where random scenarios put their traces."""
    return tmp_path_factory.mktemp("data").resolve()


def test_there_are_shipped_scenarios():
    assert len(SHIPPED) >= 15


# ---- defaults -------------------------------------------------------------------------------------------


def test_the_least_that_a_scenario_must_say():
    parsed = parse(
        {
            "requests": 10,
            "sla": {"alpha": 0.5},
            "arrivals": {"kind": "poisson", "rate_rps": 1},
            "satisfaction": {"kind": "irt"},
            "models": [{"name": "only", "satisfaction": 0.6, "coefficients": {"a0_s": 0.02}}],
        }
    )
    assert (parsed.name, parsed.seed, parsed.replication, parsed.warmup, parsed.engine) == (
        "scenario",
        1,
        0,
        0,
        "compiled",
    )
    assert parsed.tokens.prompt == Constant(tokens=500)
    assert parsed.tokens.output == Constant(tokens=150)
    assert parsed.feedback.delay == Immediate()
    assert parsed.feedback.probability == 1
    router = parsed.router
    assert (router.policy, router.V, router.c, router.kappa) == ("mess+", "auto", 0.1, 0.25)
    assert (router.explore, router.cost_estimate, router.reference) == ("all", "known", None)
    assert (parsed.cluster.mode, parsed.cluster.dispatch) == ("servers", "least_loaded")
    assert (parsed.cost.unit, parsed.record.chunk) == ("J", None)
    assert (parsed.satisfaction.slope, parsed.features.kind, parsed.features.signal) == (1.5, "difficulty", 0.8)
    assert [p.name for p in parsed.fleet] == ["only"]
    assert [(t.name, t.alpha) for t in parsed.promises] == [("all", 0.5)]


@pytest.mark.parametrize(
    ("satisfaction", "given", "kind"),
    [
        ({"kind": "irt"}, None, "difficulty"),
        ({"kind": "irt"}, {"dimensions": 3}, "difficulty"),
        ({"kind": "irt"}, {"kind": "none"}, "none"),
        ({"kind": "table", "file": "t.csv"}, None, "table"),
        ({"kind": "table", "file": "t.csv"}, {"prefix": "x"}, "table"),
        ({"kind": "table", "file": "t.csv"}, {"kind": "text"}, "text"),
    ],
)
def test_features_come_from_where_the_outcomes_come_from(satisfaction, given, kind):
    data = scenario(features=None, satisfaction=None) | {"satisfaction": satisfaction}
    assert parse(data | ({} if given is None else {"features": given})).features.kind == kind


def test_a_number_stands_for_a_constant_law():
    parsed = parse(scenario(tokens={"prompt": 7}, feedback={"delay": 2.5}))
    assert parsed.tokens.prompt == Constant(tokens=7)
    assert parsed.feedback.delay.model_dump() == {"kind": "constant", "mean_s": 2.5}
    assert parse(scenario(feedback={"delay": "immediate"})).feedback.delay == Immediate()


def test_a_scenario_does_not_change():
    with pytest.raises(ValueError, match="frozen"):
        parse(scenario()).seed = 3


# ---- file, overrides, flags -----------------------------------------------------------------------------


def test_overrides_are_applied_in_order_and_flags_last(tmp_path):
    (tmp_path / "s.toml").write_text(dump(parse(scenario())))
    loaded = load(
        tmp_path / "s.toml",
        [
            "router.V=3",
            "router.V = 5e-4",
            "models.large.satisfaction=0.9",
            "models.0.satisfaction=0.3",
            'router."mess+".c=0.5',
            "router.random={explore = 'chosen'}",
            "name=my name",
            "tokens.prompt=12",
            "seed=4",
        ],
        seed=9,
        engine=None,
    )
    assert loaded.router.V == 5e-4
    assert [m.satisfaction for m in loaded.models] == [0.3, 0.9]
    assert loaded.router.overrides == {"mess+": {"c": 0.5}, "random": {"explore": "chosen"}}
    assert (loaded.name, loaded.seed, loaded.engine) == ("my name", 9, "compiled")
    assert loaded.tokens.prompt == Constant(tokens=12)


def test_a_name_with_dots_is_found_where_it_is_one_of_those_that_are_there():
    models = [model("llama-3.1-8b", 0.4), model("llama-3", 0.6)]
    phases = [{"from_request": 9, "satisfaction": {"llama-3.1-8b": 0.3}}]
    sets = [
        "models.llama-3.1-8b.replicas=2",
        "models.llama-3.replicas=3",
        'models."llama-3.1-8b".max_num_seqs=7',
        "phases.0.satisfaction.llama-3.1-8b=0.2",
        'phases.0.satisfaction."llama-3"=0.5',
    ]
    parsed = parse(scenario(models=models, phases=phases), sets)
    assert [(m.replicas, m.max_num_seqs) for m in parsed.models] == [(2, 7), (3, parsed.models[1].max_num_seqs)]
    assert parsed.phases[0].satisfaction == {"llama-3.1-8b": 0.2, "llama-3": 0.5}


def test_a_number_of_requests_replaces_the_horizon():
    data = scenario(requests=None, horizon_s=60.0)
    assert parse(data).horizon_s == 60
    parsed = parse(data, requests=5)
    assert (parsed.requests, parsed.horizon_s) == (5, None)


def test_what_is_missing_in_the_file_may_be_given_by_an_override():
    data = scenario(requests=None, sla=None)
    assert parse(data, ["sla.alpha=0.25", "horizon_s=3"]).sla.alpha == 0.25


def test_overriding_leaves_the_data_alone():
    data = scenario()
    before = repr(data)
    parse(data, ["models.small.satisfaction=0.1", "router.V=1"])
    assert repr(data) == before


def test_a_byte_order_mark_does_no_harm(tmp_path):
    (tmp_path / "s.toml").write_text(dump(parse(scenario())), encoding="utf-8-sig")
    assert load(tmp_path / "s.toml").name == "scenario"


# ---- dumping --------------------------------------------------------------------------------------------


def dumped(parsed: Scenario) -> Scenario:
    """What a dump reads as, in the same folder."""
    return parse(tomllib.loads(dump(parsed)), folder=parsed.folder)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(draw=st.data())
def test_a_dump_reads_as_the_same_scenario(draw, folder):
    parsed = parse(draw.draw(scenarios(folder)), ["router.random={V = 2.0}"])
    assert dumped(parsed) == parsed


@each_shipped
def test_a_dump_of_a_shipped_scenario_reads_as_the_same_but_for_its_absolute_files(file):
    loaded = load(file)
    again = dumped(loaded)
    assert dump(again) == dump(loaded)
    files = {t.file for s in (loaded, again) for t in (s.arrivals, s.satisfaction) if hasattr(t, "file")}
    assert {loaded.path(f).resolve() for f in files} == {Path(f) for f in files if Path(f).is_absolute()}
    assert all(Path(f).is_file() for f in files if Path(f).is_absolute())
    routers = [loaded.router, again.router]
    if loaded.router.policy.endswith(".py"):
        assert again.router.policy == str(loaded.path(loaded.router.policy).resolve())
        routers = [r.model_copy(update={"policy": ""}) for r in routers]
    assert routers[0] == routers[1]
    named = ("arrivals", "satisfaction", "router")
    assert {k: v for k, v in again if k not in named} == {k: v for k, v in loaded if k not in named}


def test_a_dump_says_every_default():
    data = tomllib.loads(dump(parse(scenario())))
    for name, field in Scenario.model_fields.items():
        assert name in data or field.default is None, name


def test_files_are_relative_to_the_scenarios_folder(tmp_path):
    (tmp_path / "t.csv").write_text("arrival_s\n0\n1\n")
    (tmp_path / "s.toml").write_text(
        dump(parse(scenario())).replace('kind = "poisson"\nrate_rps = 2.0', 'kind = "trace"\nfile = "t.csv"')
    )
    loaded = load(tmp_path / "s.toml")
    assert loaded.path(loaded.arrivals.file) == tmp_path.resolve() / "t.csv"
    assert dumped(loaded).arrivals.file == str(tmp_path.resolve() / "t.csv")


# ---- pools ----------------------------------------------------------------------------------------------


def test_a_model_that_says_how_it_is_served_stands_for_one_pool():
    short = parse(scenario(models=[model("a", replicas=3), model("b")]))
    long = parse(
        scenario(
            models=[{"name": "a", "satisfaction": 0.6}, {"name": "b", "satisfaction": 0.6}],
            pools=[pool("a", replicas=3), pool("b")],
        )
    )
    assert short.fleet == long.fleet
    assert [(p.name, p.serves, p.replicas) for p in short.fleet] == [("a", "a", 3), ("b", "b", 1)]


def test_several_pools_of_a_model_are_numbered_unless_they_have_names():
    parsed = parse(
        scenario(
            models=[{"name": "a", "satisfaction": 0.6}, model("b")],
            pools=[pool("a"), pool("a", name="spare"), pool("a")],
        )
    )
    # A model's own pool stands before [[pools]].
    assert [p.name for p in parsed.fleet] == ["b", "a-1", "spare", "a-3"]


def test_without_servers_there_are_no_pools():
    models = [model("a", cost_per_request=1.0), model("b", cost_per_request=2.0)]
    assert parse(scenario(cluster={"mode": "none"}, models=models)).fleet == []


# ---- promises and notes ---------------------------------------------------------------------------------


def test_a_tenant_without_a_promise_has_the_scenarios():
    tenants = [{"name": "gold", "share": 2, "alpha": 0.7}, {"name": "tin"}, {"name": "trial", "alpha": 0}]
    parsed = parse(scenario(tenants=tenants))
    collected = [(t.name, t.share, t.alpha) for t in parsed.promises]
    assert collected == [("gold", 2, 0.7), ("tin", 1, 0.5), ("trial", 1, 0)]
    assert parsed.alphas == [0.7, 0.5, 0]


def test_a_tenant_without_objectives_has_the_scenarios():
    tenants = [{"name": "gold", "objectives": {"ttft_s": 0.5}}, {"name": "tin"}]
    parsed = parse(scenario(tenants=tenants, slo={"ttft_s": 2.0, "e2e_s": 9.0}))
    assert [(o.ttft_s, o.e2e_s) for o in parsed.objectives] == [(0.5, None), (2.0, 9.0)]
    assert [o.ttft_s for o in parse(scenario(slo={"ttft_s": 2.0})).objectives] == [2.0]


@pytest.mark.parametrize(("message", "index"), [(None, 1), ("small", 0), ("large", 1)])
def test_the_reference_is_the_last_model_unless_said(message, index):
    router = {} if message is None else {"reference": message}
    assert parse(scenario(router=router)).reference == index


def test_notes_say_what_is_doubtful():
    assert notes_of(parse(scenario())) == []
    assert notes_of(parse(scenario(sla={"alpha": 0.8}))) == []  # the best model's own mean
    assert notes_of(parse(scenario(sla={"alpha": 0.9}))) == [
        "alpha = 0.9 is above the best model's mean satisfaction 0.8: only a router that foresees "
        "which model is right can keep it"
    ]
    assert notes_of(parse(scenario(router={"reference": "small"}))) == [
        "router.reference: small answers the user when exploring, but large is more satisfying"
    ]
    tenants = [{"name": "a", "alpha": 0.85}, {"name": "b"}]
    assert len(notes_of(parse(scenario(tenants=tenants)))) == 1
    assert notes_of(parse(scenario(satisfaction={"kind": "table", "file": "t.csv"}, features=None))) == []


# ---- schema ---------------------------------------------------------------------------------------------


def fields_of(result: dict) -> dict[str, dict]:
    tables = {"Scenario": result, **result["$defs"]}
    return {f"{t}.{k}": field for t, table in tables.items() for k, field in table.get("properties", {}).items()}


def test_the_schema_is_valid():
    jsonschema.Draft202012Validator.check_schema(schema())


@each_shipped
def test_shipped_scenarios_fit_the_schema(file):
    VALIDATOR.validate(tomllib.loads(file.read_text(encoding="utf-8")))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(draw=st.data())
def test_what_is_accepted_fits_the_schema(draw, folder):
    data = draw.draw(scenarios(folder))
    parse(data)
    VALIDATOR.validate(data | {"router": data["router"] | {"random": {"V": 1.0}}})


@pytest.mark.parametrize(
    "data",
    [
        scenario(tokens={"prompt": "long"}),
        scenario(feedback={"delay": "soon"}),
        scenario(router={"policie": "x"}),
        scenario(sla={"alpha": 2}),
        scenario(models=[]),
    ],
)
def test_the_schema_refuses_what_is_refused(data):
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(data)


def test_every_key_is_described():
    assert [key for key, field in fields_of(schema()).items() if not field.get("description")] == []


UNITS = {
    "_s": "s|seconds",
    "_rps": "requests per second",
    "_w": "W",
    "_w_per_gpu": "W per GPU",
    "_j_per_token": "J",
    "_j_per_cached_token": "J",
    "_s_per_token": "s",
    "_s_per_token2": "s per pair of tokens",
    "_s_per_sequence": "s",
    "_tokens": "tokens",
    "tokens": "tokens",
    "_gpu_hour": "USD per hour",
}


def test_quantities_say_their_unit():
    checked = 0
    for key, field in fields_of(schema()).items():
        name = key.split(".")[1]
        for suffix, unit in UNITS.items():
            if name.endswith(suffix) and field.get("type") != "string" and "$ref" not in field:
                assert re.search(rf"\b({unit})\b", field["description"]), (key, field["description"])
                checked += 1
    assert checked > 40


def test_every_field_that_pydantic_knows_is_in_the_schema():
    """`by_alias`: a file says `model` of a pool, not `serves`."""
    keys = fields_of(schema())
    assert "Pool.model" in keys
    assert "Pool.serves" not in keys
    assert set(COEFFICIENTS) <= {k.removeprefix("Coefficients.") for k in keys}
