"""Checks across tables: what no single key can know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from .apis import API_KEYS, api_problems, autoscale_problems, what_refuses
from .arrivals import Arrivals
from .clients import Clients
from .columns import column_problems
from .fleet import MOST_REPLICAS, Cluster, Cost, Model, Pool, Serving
from .laws import Tokens
from .names import given_twice, name_problems
from .phases import Phase
from .quality import Features, Satisfaction
from .routing import Feedback, Router, Sla, Slo, Tenant
from .sessions import Prefixes, Sessions
from .split import split_notes, split_problems

__all__ = ["keys_without_effect", "notes_of", "problems_of"]

# Drawing steps through the slots of a diurnal day, or the sojourns of an mmpp, one by one.
LEAST_REQUESTS_A_SLOT = 1e-3
LEAST_PAUSE_S = 1e-6
MOST_OUTSIDE_S = 1e6

GPU_KEYS = (
    *("profile", "gpu", "tp", "weights", "host", "coefficients", "replicas", "max_num_seqs", "max_batched_tokens"),
    *("kv_capacity_tokens", "kv_policy", "front_end_s", "front_end_workers", "detokenize_s", "engine", "order"),
    *("drafts", "kv_block_tokens", "prefix_cache", "schedule", "chunked_prefill", "max_new_tokens", "autoscale"),
    *("lookahead", "scheduler_recv_interval", "gpu_memory_share", "kv_cache_dtype", "kv_bytes_per_token"),
)

# Of replicas that have queues of their own: why a shared one has none of it, and the value that says so.
OF_OWN_QUEUES = {
    "front_end_workers": ("requests queue before a replica is chosen, and with it its front end", 0),
    "lookahead": ("replicas take requests when they have room, and no engine plans ahead with them", 0),
    "scheduler_recv_interval": ("replicas take requests when they have room", 1),
}


def keys_without_effect(kind: str) -> tuple[str, ...]:
    """Keys of a model or pool that say nothing of servers of this kind ("gpu" or "api")."""
    return GPU_KEYS if kind == "api" else API_KEYS


class Parts(Protocol):
    """The parts of a scenario, as far as one may not fit another."""

    @property
    def requests(self) -> int | None: ...
    @property
    def horizon_s(self) -> float | None: ...
    @property
    def warmup(self) -> int: ...
    @property
    def sla(self) -> Sla: ...
    @property
    def slo(self) -> Slo: ...
    @property
    def tenants(self) -> list[Tenant]: ...
    @property
    def arrivals(self) -> Arrivals: ...
    @property
    def tokens(self) -> Tokens: ...
    @property
    def prefixes(self) -> Prefixes | None: ...
    @property
    def sessions(self) -> Sessions | None: ...
    @property
    def satisfaction(self) -> Satisfaction: ...
    @property
    def features(self) -> Features: ...
    @property
    def models(self) -> list[Model]: ...
    @property
    def pools(self) -> list[Pool]: ...
    @property
    def router(self) -> Router: ...
    @property
    def feedback(self) -> Feedback: ...
    @property
    def cluster(self) -> Cluster: ...
    @property
    def clients(self) -> Clients: ...
    @property
    def cost(self) -> Cost: ...
    @property
    def phases(self) -> list[Phase]: ...
    @property
    def model_names(self) -> list[str]: ...
    @property
    def reference(self) -> int: ...
    @property
    def promises(self) -> list[Tenant]: ...
    @property
    def fleet(self) -> list[Pool]: ...


def _brief(s: Parts) -> Iterator[str]:
    """Times outside the GPU that no server takes, and that no clock would hold."""
    laws = [("router.decision_s", s.router.decision_s)]
    for table, servings in (("models", s.models), ("pools", s.pools)):
        laws += [(f"{table}.{i}.front_end_s", serving.front_end_s) for i, serving in enumerate(servings)]
    for key, law in laws:
        if law is not None and law.mean_s > MOST_OUTSIDE_S:
            yield f"{key}: {law.mean_s:g} seconds; expected at most {MOST_OUTSIDE_S:g}"


def problems_of(scenario: Parts) -> list[str]:
    """One line for each pair of keys that do not fit: ``key = value: what was expected``."""
    return [
        *_length(scenario),
        *_rates(scenario),
        *_names(scenario),
        *_outcomes(scenario),
        *_lengths_of_text(scenario),
        *_files_of_lengths(scenario),
        *_serving(scenario),
        *_orders(scenario),
        *_keys_without_effect(scenario),
        *_clients(scenario),
        *_brief(scenario),
        *_sessions(scenario),
        *_phases(scenario),
        *_prices(scenario),
        *api_problems(scenario),
        *autoscale_problems(scenario),
        *split_problems(scenario),
    ]


def notes_of(scenario: Parts, means: list[float] | None = None, best: list[float] | None = None) -> list[str]:
    """What is allowed but deserves a word.

    `means` are the models' mean satisfactions; without them those that the scenario states, if it does (irt). `best`
    is that of the best model to each tenant, where it is not the same.
    """
    if means is None and scenario.satisfaction.kind == "irt":
        means = [m.satisfaction or 0.0 for m in scenario.models]
    remarks = [] if means is None else [*_reach(scenario, means, best), *_reference(scenario, means)]
    ignored = [*_workers_of_no_work(scenario), *split_notes(scenario), *scenario.cluster.ignored]
    return [*remarks, *_reconciliation(scenario), *ignored]


def _workers_of_no_work(s: Parts) -> Iterator[str]:
    if s.router.decision_s is None and s.router.workers != type(s.router).model_fields["workers"].default:
        yield "router.workers: ignored without router.decision_s"
    for table, servings in (("models", s.models), ("pools", s.pools)):
        for i, serving in enumerate(servings):
            if serving.front_end_workers and serving.front_end_s is None:
                yield f"{table}.{i}.front_end_workers: ignored without front_end_s"


def _length(s: Parts) -> Iterator[str]:
    if s.requests is not None and s.horizon_s is not None:
        yield f"requests = {s.requests} and horizon_s = {s.horizon_s}: expected only one of them"
    if s.requests is None and s.horizon_s is None and s.arrivals.kind != "trace":
        yield "requests: missing; expected requests = N or horizon_s = SECONDS"
    if s.requests is not None and s.warmup >= s.requests:
        yield f"warmup = {s.warmup}: expected fewer than requests = {s.requests}"


def _rates(s: Parts) -> Iterator[str]:
    law = s.arrivals
    if law.kind == "diurnal":
        slots, mean = "slot", sum(law.rates_rps) / len(law.rates_rps) * (law.day_s / len(law.rates_rps))
    elif law.kind == "mmpp":
        slots = "calm period or burst"
        mean = (law.mean_calm_s * law.rate_rps + law.mean_burst_s * law.burst_rate_rps) / 2
    else:
        return
    mean *= min([1.0, *(p.rate_factor for p in s.phases if p.rate_factor is not None)])
    if mean < LEAST_REQUESTS_A_SLOT:
        yield (
            f"arrivals: {mean:.2g} requests in a {slots}, on average; expected at least {LEAST_REQUESTS_A_SLOT:g}: "
            "a higher rate, or longer ones"
        )


def _names(s: Parts) -> Iterator[str]:
    for table, names in (
        ("models", s.model_names),
        ("tenants", [t.name for t in s.tenants]),
        ("pools", [p.name for p in (s.pools if _unknown_pools(s) else s.fleet) if p.name] if s.pools else []),
    ):
        yield from name_problems(table, names)
    if s.satisfaction.kind == "irt":
        yield from given_twice("satisfaction.tasks", [t.name for t in s.satisfaction.tasks])
    known = f"expected one of {', '.join(s.model_names)}"
    references = {"router.reference": s.router.reference}
    references |= {f"router.{policy}.reference": own.get("reference") for policy, own in s.router.overrides.items()}
    for key, reference in references.items():
        if isinstance(reference, str) and reference not in s.model_names:
            yield f"{key} = {reference!r}: unknown model; {known}"
    for i, pool in enumerate(s.pools):
        if pool.serves not in s.model_names:
            yield f"pools.{i}.model = {pool.serves!r}: unknown model; {known}"


def _outcomes(s: Parts) -> Iterator[str]:
    satisfaction = s.satisfaction
    if satisfaction.kind == "irt":
        for i, model in enumerate(s.models):
            if model.satisfaction is None:
                yield f"models.{i}.satisfaction: missing for {model.name}; expected its mean satisfaction"
            elif not 0 < model.satisfaction < 1:
                yield (
                    f"models.{i}.satisfaction = {model.satisfaction}: expected above 0 and below 1, "
                    "where an ability exists"
                )
        if satisfaction.tasks and not any(t.weight for t in satisfaction.tasks):
            yield "satisfaction.tasks: all weights are 0; expected at least one above it"
    wants = {"difficulty": "irt", "table": "table", "text": "table"}.get(s.features.kind)
    if wants and wants != satisfaction.kind:
        yield f"features.kind = {s.features.kind!r}: expected satisfaction.kind = {wants!r}, not {satisfaction.kind!r}"


def _lengths_of_text(s: Parts) -> Iterator[str]:
    laws = [("tokens.prompt", s.tokens.prompt), ("tokens.output", s.tokens.output)]
    laws += [(f"models.{i}.output", m.output) for i, m in enumerate(s.models) if m.output]
    laws += [(f"phases.{i}.prompt", p.prompt) for i, p in enumerate(s.phases) if p.prompt]
    laws += [(f"phases.{i}.output", p.output) for i, p in enumerate(s.phases) if p.output]
    for key, law in laws:
        if law.kind == "trace" and s.arrivals.kind != "trace" and s.tokens.file is None:
            yield (
                f"{key}.kind = 'trace': expected arrivals.kind = 'trace', not {s.arrivals.kind!r}, or tokens.file, "
                "a file of lengths"
            )
        if law.kind == "builtin" and key.endswith("prompt"):
            yield f"{key}.kind = 'builtin': lengths of answers are built in, of prompts none; expected another law"
        if law.kind == "table" and s.satisfaction.kind != "table":
            yield f"{key}.kind = 'table': expected satisfaction.kind = 'table', not {s.satisfaction.kind!r}"
    for i, serving in enumerate([*s.models, *s.pools] if s.tokens.max_new_tokens is not None else []):
        if serving.max_new_tokens is not None:
            key = f"models.{i}" if i < len(s.models) else f"pools.{i - len(s.models)}"
            yield f"{key}.max_new_tokens = {serving.max_new_tokens}: clients send tokens.max_new_tokens; expected one"


def _files_of_lengths(s: Parts) -> Iterator[str]:
    prompts = any(law is not None and law.kind == "trace" for law in (s.tokens.prompt, *(p.prompt for p in s.phases)))
    answers = (s.tokens.output, *(m.output for m in s.models), *(p.output for p in s.phases))
    outputs = any(law is not None and law.kind == "trace" for law in answers)
    yield from column_problems(s.arrivals, s.tokens, prompts=prompts, outputs=outputs)
    if s.tokens.file is not None and not (prompts or outputs):
        yield (
            f"tokens.file = {s.tokens.file!r}: no law reads it; expected tokens.prompt = {{kind = 'trace'}}, or output"
        )
    if s.arrivals.kind == "trace" and s.arrivals.columns.tenant is not None and not s.tenants:
        yield f"arrivals.columns.tenant = {s.arrivals.columns.tenant!r}: expected [[tenants]] with the names in it"


def _keys_without_effect(s: Parts) -> Iterator[str]:
    """An API has no replicas, and GPUs have no price a token."""
    for table, servings in (("models", s.models), ("pools", s.pools)):
        for i, serving in enumerate(servings):
            other = "gpu" if serving.kind == "api" else "api"
            for key in keys_without_effect(serving.kind):
                if key in serving.model_fields_set and (value := getattr(serving, key)) is not None:
                    shown = f" = {value!r}" if isinstance(value, (str, int, float)) else ""
                    yield (
                        f"{table}.{i}.{key}{shown}: has no effect with kind = {serving.kind!r}; "
                        f"expected kind = {other!r}, or no such key"
                    )


def _serving(s: Parts) -> Iterator[str]:
    pooled, also = {p.serves for p in s.pools}, ", or satisfaction.costs" * (s.satisfaction.kind == "table")
    for i, model in enumerate(s.models):
        if model.name in pooled and _described(model):
            yield f"models.{i}: {model.name} has pools of its own; expected no profile or coefficients here"
        if _described(model):
            continue
        if s.cluster.mode == "servers" and model.name not in pooled:
            yield f"models.{i}.profile: missing for {model.name}; expected a profile, coefficients or a pool"
        if s.cluster.mode == "none" and not _priced(s, model):
            yield f"models.{i}.cost_per_request: missing for {model.name}; expected it, or a profile in models{also}"
    for i, pool in enumerate(s.pools):
        if not _described(pool):
            yield f"pools.{i}.profile: missing; expected a profile or coefficients"
    if s.cluster.dispatch == "shared_queue":
        for table, servings in (("models", s.models), ("pools", s.pools)):
            for i, serving in enumerate(servings):
                for key, (reason, none) in OF_OWN_QUEUES.items():
                    if key in serving.model_fields_set and (value := getattr(serving, key)) > none:
                        yield (
                            f"{table}.{i}.{key} = {value}: with cluster.dispatch = 'shared_queue' {reason}; expected "
                            f"{none}, or another dispatch"
                        )
    replicas = sum(p.replicas for p in s.fleet if p.kind == "gpu") if not _unknown_pools(s) else 0
    if replicas > MOST_REPLICAS:
        yield f"pools: {replicas} replicas in all; expected at most {MOST_REPLICAS}"
    with_servers = s.cluster.mode == "servers"
    refuses = what_refuses(s)
    if with_servers and s.arrivals.kind == "closed" and refuses and s.arrivals.think_s < LEAST_PAUSE_S:
        yield (
            f"arrivals.think_s = {s.arrivals.think_s:g}: expected at least {LEAST_PAUSE_S:g} with {refuses}: a "
            "client who is turned away would ask again at the same instant"
        )
    if s.cluster.mode == "none":
        for key, value in (("admission", s.cluster.admission), ("failures", s.cluster.failures)):
            if value is not None:
                yield f"cluster.{key}: expected cluster.mode = 'servers', since mode 'none' has no servers"
        if s.arrivals.kind == "closed":
            yield "arrivals.kind = 'closed': expected cluster.mode = 'servers': clients wait for answers"
    elif s.cluster.failures:
        names = {p.name: p for p in s.fleet} if not _unknown_pools(s) else {}
        for i, outage in enumerate(s.cluster.failures.schedule):
            key = f"cluster.failures.schedule.{i}"
            if names and outage.pool not in names:
                yield f"{key}.pool = {outage.pool!r}: unknown pool; expected one of {', '.join(map(str, names))}"
            elif names and outage.replica >= names[outage.pool].replicas:
                yield f"{key}.replica = {outage.replica}: expected below {names[outage.pool].replicas}"


def _orders(s: Parts) -> Iterator[str]:
    """Queues in an order that nobody has stated."""
    deadlines = any(o.ttft_s for o in (s.slo, *(t.objectives or s.slo for t in s.tenants)))
    stated = {"fcfs": True, "priority": any(t.priority for t in s.tenants), "edf": deadlines}
    keys = {"priority": "priority in tenants", "edf": "ttft_s in slo or in objectives of tenants"}
    for table, servings in (("models", s.models), ("pools", s.pools)):
        for i, serving in enumerate(servings):
            if not stated[serving.order]:
                yield (
                    f"{table}.{i}.order = {serving.order!r}: nobody has one; expected {keys[serving.order]}, or 'fcfs'"
                )


def _clients(s: Parts) -> Iterator[str]:
    clients = s.clients
    if clients.patience_s is None and not clients.retries:
        return
    key = "clients.patience_s" if clients.patience_s is not None else "clients.retries"
    if s.cluster.mode == "none":
        yield f"{key}: expected cluster.mode = 'servers', since without servers every answer comes at once"
    if s.feedback.delay.kind == "immediate":
        yield (
            f"{key}: with feedback.delay = 'immediate' an answer is rated before it is known whether it comes; "
            "expected seconds (0: when it is complete), or a law"
        )
    if clients.patience_s is not None and clients.patience_s.mean_s == 0:
        yield "clients.patience_s = 0: expected more than 0 seconds"
    loses = s.cluster.failures is not None and s.cluster.failures.on_failure == "lose"
    if clients.patience_s is None and what_refuses(s) is None and not loses:
        yield (
            f"clients.retries = {clients.retries}: every request has its answer in time; expected clients.patience_s, "
            "cluster.admission, limits of an API, or cluster.failures.on_failure = 'lose'"
        )


def _sessions(s: Parts) -> Iterator[str]:
    has_sessions = s.sessions is not None or (s.arrivals.kind == "trace" and s.arrivals.columns.has_sessions)
    if s.router.keep_session_model and not has_sessions:
        yield "router.keep_session_model: there are no sessions; expected [sessions], or a trace that names them"
    if s.prefixes is not None and s.prefixes.tokens.kind in ("trace", "table"):
        yield f"prefixes.tokens.kind = {s.prefixes.tokens.kind!r}: expected a law of its own"
    if s.prefixes is not None and s.arrivals.kind == "trace" and s.arrivals.columns.hash_ids is not None:
        yield "prefixes: the hashes of the trace say already what prompts share; expected only one of them"
    if s.arrivals.kind == "trace" and s.arrivals.columns.has_sessions and s.cluster.mode == "none":
        yield "arrivals: the sessions of a trace want cluster.mode = 'servers': each turn waits for the answer before"
    if s.sessions is None:
        return
    if s.arrivals.kind in ("trace", "closed"):
        yield (
            f"sessions: with arrivals.kind = {s.arrivals.kind!r}; expected poisson, gamma, mmpp or diurnal, by which "
            "sessions begin" + (" (a trace names its own sessions)" if s.arrivals.kind == "trace" else "")
        )
    if s.cluster.mode == "none":
        yield "sessions: expected cluster.mode = 'servers': each turn waits for the answer before"
    for key, law in (("tokens.prompt", s.tokens.prompt), ("sessions.followup", s.sessions.followup)):
        if law is not None and law.kind in ("trace", "table"):
            yield f"{key}.kind = {law.kind!r}: with sessions, expected a law of its own"


def _described(serving: Serving) -> bool:
    """Whether it is known how it serves."""
    return serving.profile is not None or serving.coefficients is not None or serving.kind == "api"


def _priced(s: Parts, model: Model) -> bool:
    """Whether the known cost of a request is given, not reckoned from the model's servers."""
    table = s.satisfaction
    has_costs = table.kind == "table" and (table.costs is not None or table.format == "capture")
    return has_costs or model.cost_per_request is not None


def _unknown_pools(s: Parts) -> bool:
    return any(p.serves not in s.model_names for p in s.pools)


def _phases(s: Parts) -> Iterator[str]:
    requests = [p.from_request for p in s.phases if p.from_request is not None]
    times = [p.from_s for p in s.phases if p.from_s is not None]
    if requests and times:
        yield "phases: some start at a request and some at a time; expected one kind"
    for starts, key in ((requests, "from_request"), (times, "from_s")):
        if starts != sorted(set(starts)):
            yield f"phases: {key} = {starts}; expected rising starts"
    if times and s.arrivals.kind == "closed":
        yield "phases: from_s with closed arrivals, whose times follow from the run; expected from_request"
    for i, phase in enumerate(s.phases):
        if phase.rate_factor is not None and s.arrivals.kind in ("trace", "closed"):
            yield f"phases.{i}.rate_factor: the arrivals of a {s.arrivals.kind} have no rate to multiply"
        named: dict[str, Iterable[str]] = {
            "satisfaction": phase.satisfaction,
            "columns": phase.columns,
            "withdrawn": phase.withdrawn,
            "cost_per_request": phase.cost_per_request,
        }
        for key, names in named.items():
            for name in names:
                if name not in s.model_names:
                    yield f"phases.{i}.{key}.{name}: unknown model; expected one of {', '.join(s.model_names)}"
        for name, value in phase.satisfaction.items():
            if not 0 < value < 1:
                yield f"phases.{i}.satisfaction.{name} = {value}: expected above 0 and below 1"
        yield from _phase_kind(s, i)
        yield from _phase_change(s, i)


def _phase_change(s: Parts, i: int) -> Iterator[str]:
    """What is withdrawn, what changes its price, and how fast."""
    phase = s.phases[i]
    if set(phase.withdrawn) >= set(s.model_names):
        yield f"phases.{i}.withdrawn: all models are; expected at least one that takes requests"
    if phase.cost_per_request and s.cluster.mode != "none":
        yield (
            f"phases.{i}.cost_per_request: expected cluster.mode = 'none'; with servers, cost follows from what they "
            "do: withdraw a model and add its successor"
        )
    if phase.gradual and s.satisfaction.kind != "irt":
        yield f"phases.{i}: gradual, with outcomes from a table; expected satisfaction.kind = 'irt'"
    room = s.phases[i + 1].start - phase.start if i + 1 < len(s.phases) else None
    if room is not None and phase.gradual and phase.over > room:
        key = "over_requests" if phase.over_requests is not None else "over_s"
        yield f"phases.{i}.{key} = {phase.over:g}: expected at most {room:g}, where the next phase begins"


def _phase_kind(s: Parts, i: int) -> Iterator[str]:
    phase = s.phases[i]
    if s.satisfaction.kind == "irt":
        for key in ("columns", "groups"):
            if getattr(phase, key):
                yield f"phases.{i}.{key}: expected satisfaction.kind = 'table'"
        tasks = [t.name for t in s.satisfaction.tasks]
        for name in phase.tasks or {}:
            if name not in tasks:
                yield f"phases.{i}.tasks.{name}: unknown task; expected one of {', '.join(tasks) or '(none)'}"
        if phase.tasks is not None and not any(phase.tasks.values()):
            yield f"phases.{i}.tasks: all weights are 0; expected at least one above it"
    else:
        for key in ("satisfaction", "difficulty", "tasks"):
            if getattr(phase, key):
                yield f"phases.{i}.{key}: expected satisfaction.kind = 'irt'"
        if phase.groups and s.satisfaction.group is None:
            yield f"phases.{i}.groups: expected satisfaction.group, the column to select by"


def _prices(s: Parts) -> Iterator[str]:
    if s.cost.unit == "J":
        apis = [p for p in (*s.models, *s.pools) if p.kind == "api"]
        if apis:
            yield "cost.unit = 'J': nobody knows the energy of an API; expected 'USD'"
        return
    if _unknown_pools(s):
        return
    reckoned: list[tuple[str, Serving]] = [(f"pool {p.name}", p) for p in s.fleet]
    if s.cluster.mode == "none":
        reckoned = [(f"model {m.name}", m) for m in s.models if not _priced(s, m) and _described(m)]
    for name, spec in reckoned:
        gpu = spec.gpu or "GPU"
        named = spec.gpu is not None or spec.profile is None  # a profile without a GPU is an error of its own
        if spec.kind == "gpu" and named and gpu not in s.cost.usd_per_gpu_hour:
            yield f"cost.usd_per_gpu_hour.{gpu}: missing; expected the price of the GPU of {name}"


def _reach(s: Parts, means: list[float], best: list[float] | None) -> Iterator[str]:
    for tenant, mean in zip(s.promises, best or [max(means)] * len(s.promises), strict=True):
        if tenant.alpha is not None and tenant.alpha > mean:
            yield (
                f"alpha = {tenant.alpha} is above the best model's mean satisfaction {mean:.3g}: only a router "
                "that foresees which model is right can keep it"
            )


def _reference(s: Parts, means: list[float]) -> Iterator[str]:
    if means[s.reference] < max(means):
        yield (
            f"router.reference: {s.model_names[s.reference]} answers the user when exploring, but "
            f"{s.model_names[means.index(max(means))]} is more satisfying"
        )


def _reconciliation(s: Parts) -> Iterator[str]:
    if s.router.reconcile_s is not None and s.router.instances == 1:
        yield "router.reconcile_s: ignored with router.instances = 1"
