"""The whole scenario: what one TOML file says."""

from collections import Counter
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from .arrivals import Arrivals
from .base import Count, Number, Part, Positive
from .changing import changed_at, full_path, value_of
from .checks import problems_of
from .clients import Clients
from .fleet import Cluster, Cost, Model, Pool, Serving
from .laws import Tokens
from .phases import Phase
from .quality import Features, Satisfaction
from .routing import Feedback, Router, Sla, Slo, Tenant
from .sessions import Prefixes, Sessions

__all__ = ["Record", "Scenario", "Tokens"]


class Record(Part):
    """What is kept of each request."""

    potential_outcomes: bool = Field(
        False, description="also write what every model would have answered and its known cost"
    )
    compression: Literal["lz4", "zstd", "uncompressed"] = Field("lz4", description="of the Parquet files")
    max_open: Count = Field(4_000_000, description="most requests between the oldest unfinished and the newest")
    chunk: int | None = Field(
        None,
        ge=64,
        le=1_048_576,
        description="requests drawn at once; no result depends on it. "
        "Without it 65,536, and fewer beyond 31 models or 64 features",
    )


class Scenario(Part):
    """Everything about a run: a run is a pure function of this and the seed."""

    name: str = Field("scenario", description="name, for reports")
    requests: int | None = Field(None, ge=1, le=2**53, description="how many requests arrive; then the run drains")
    horizon_s: Positive | None = Field(None, description="when the run is cut, seconds, instead of requests")
    seed: int = Field(1, ge=0, lt=2**32, description="seed of all chance")
    replication: int = Field(0, ge=0, lt=2**32, description="which replication of the seed")
    warmup: Number = Field(0, description="first requests that latencies leave out")
    engine: Literal["compiled", "simpy"] = Field(
        "compiled", description="which engine simulates: the C loop, or the readable one"
    )
    sla: Sla = Field(description="the promise")
    slo: Slo = Field(Slo(), description="latency objectives")
    tenants: list[Tenant] = Field(
        default_factory=list,
        max_length=20_000,  # each takes up to half a megabyte for the oracle of its promise (routing.oracle_dual)
        description="customers; none: a single one",
    )
    arrivals: Arrivals = Field(description="when requests come")
    tokens: Tokens = Field(Tokens(), description="how long prompts and answers are")
    prefixes: Prefixes | None = Field(None, description="system prompts that requests share; none: nothing is shared")
    sessions: Sessions | None = Field(None, description="conversations of several turns; none: single requests")
    satisfaction: Satisfaction = Field(description="what satisfies a user")
    features: Features = Field(Features(), description="what the router sees of a request")
    models: list[Model] = Field(min_length=1, max_length=256, description="the zoo, in rising order of cost")
    pools: list[Pool] = Field(default_factory=list, description="where models run, if not said in models")
    router: Router = Field(Router(), description="who decides")
    feedback: Feedback = Field(Feedback(), description="what is learnt from users")
    cluster: Cluster = Field(Cluster(), description="how pools take requests")
    clients: Clients = Field(Clients(), description="how long clients wait, and whether they ask again")
    cost: Cost = Field(Cost(), description="what is minimised")
    phases: list[Phase] = Field(default_factory=list, description="what changes in the middle of a run")
    record: Record = Field(Record(), description="what is kept")

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    @model_validator(mode="before")
    @classmethod
    def _features_follow_satisfaction(cls, data: Any) -> Any:
        """Without a kind of their own, features come from where the outcomes come from."""
        if not isinstance(data, dict) or not isinstance(satisfaction := data.get("satisfaction"), (dict, Part)):
            return data
        features = data.get("features", {})
        if not isinstance(features, dict):
            return data
        outcomes = satisfaction.get("kind") if isinstance(satisfaction, dict) else getattr(satisfaction, "kind", None)
        return data | {"features": {"kind": "table" if outcomes == "table" else "difficulty"} | features}

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        problems = problems_of(self)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def changed(self, **values: Any) -> Self:
        """The same scenario with other values.

        Parameters
        ----------
        values
            By field of the scenario (``requests=1000``, ``sla=Sla(alpha=0.7)``); by a key of one of its tables, where
            only one has it (``alpha=0.7``, ``V=1e-3``); or by key path (``**{"models.small.replicas": 2}``).

        Raises
        ------
        ScenarioError
            If there is no such key, or a value cannot be.
        """
        fields = {key: value for key, value in values.items() if key in type(self).model_fields}
        copy = self.model_copy(update={k: value_of(type(self), k, v) for k, v in fields.items()})
        copy = copy.placed_in(self._folder)
        others = {full_path(type(self), key): value for key, value in values.items() if key not in fields}
        return changed_at(copy, others) if others else copy

    @property
    def folder(self) -> Path:
        """The folder that file names are relative to."""
        return self._folder

    def placed_in(self, folder: Path) -> Self:
        """The same scenario with file names relative to `folder`."""
        self._folder = folder
        return self

    @property
    def python_files(self) -> list[tuple[str, str]]:
        """Files that a run runs: the key that names each, and its name."""
        files = [("router.policy", self.router.policy)] if self.router.policy.endswith(".py") else []
        own = self.cluster.own_rule
        return files if own is None else [*files, ("cluster.dispatch", own[0])]

    @property
    def judges_first_tokens(self) -> bool:
        """Whether an objective, or a client's patience, asks when an answer's first token comes."""
        impatient = self.clients.patience_s is not None and self.clients.until == "first_token"
        return impatient or any(o.ttft_s for o in (self.slo, *self.objectives))

    def path(self, file: str) -> Path:
        """A data file's path."""
        return self._folder / file

    @property
    def model_names(self) -> list[str]:
        """Names of the models, in rising order of cost."""
        return [m.name for m in self.models]

    @property
    def reference(self) -> int:
        """Index of the model whose answer the user gets when exploring."""
        return self.model_names.index(self.router.reference) if self.router.reference else len(self.models) - 1

    @property
    def has_sessions(self) -> bool:
        """Whether requests are turns of sessions, drawn by laws or named by a trace."""
        law = self.arrivals
        return self.sessions is not None or (law.kind == "trace" and law.columns.has_sessions)

    @property
    def promises(self) -> list[Tenant]:
        """The tenants, each with its alpha; a single one where the scenario names none."""
        tenants = self.tenants or [Tenant(name="all")]
        return [t if t.alpha is not None else t.model_copy(update={"alpha": self.sla.alpha}) for t in tenants]

    @property
    def alphas(self) -> list[float]:
        """What each of `promises` says, in [0, 1]; 0 where there is no SLA."""
        return [t.alpha or 0.0 for t in self.promises]

    @property
    def objectives(self) -> list[Slo]:
        """The latency objectives of each of `promises`: its own, or the scenario's."""
        return [t.objectives or self.slo for t in self.promises]

    @property
    def fleet(self) -> list[Pool]:
        """All pools, named; a model that says how it is served stands for one pool. Empty in mode none."""
        if self.cluster.mode == "none":
            return []
        shorthand = [  # of values that were checked as the model's
            Pool.model_construct(**{k: getattr(m, k) for k in Serving.model_fields}, model=m.name)
            for m in self.models
            if m.name not in {p.serves for p in self.pools}
        ]
        pools = shorthand + self.pools
        count = Counter(p.serves for p in pools)
        seen: Counter[str] = Counter()
        named = []
        for pool in pools:
            seen[pool.serves] += 1
            suffix = f"-{seen[pool.serves]}" if count[pool.serves] > 1 else ""
            named.append(pool.model_copy(update={"name": pool.name or pool.serves + suffix}))
        return named
