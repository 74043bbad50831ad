"""The known cost of a request on every model: what is expected before it is served."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from messsim import _core
from messsim.scenario import Scenario
from messsim.scenario.fleet import Serving
from messsim.workload import Chunk, Workload
from messsim.workload.chunk import Floats, Ints

from .cluster import PoolPlan, decoder_tokens, pools_of, serving_plan

__all__ = ["KnownCosts"]

SAMPLE = 4096  # requests whose mean known cost stands for the mean of all


def _mean_tokens(serving: Serving, output: float) -> float:
    """Tokens that an iteration gives to the mean answer behind its first token."""
    if serving.drafts is None or output <= 1.0:
        return 1.0
    return (output - 1.0) / serving.drafts.iterations(output - 1.0)


def _terms(pools: list[PoolPlan], output: float) -> list[tuple[PoolPlan, float, float]]:
    """Whose costs of an answer of so many tokens add up to a model's, each with its share.

    Where prefill and decode are split, the prompt is what an answer of one token costs where prompts are prefilled, and
    the rest what all but that costs where answers are decoded.
    """
    replicas = {role: sum(p.replicas for p in pools if p.role == role) for role in ("both", "prefill", "decode")}
    terms = [(p, 1.0 if p.role == "prefill" else output, p.replicas / replicas[p.role]) for p in pools]
    return terms + [(p, 1.0, -p.replicas / replicas["decode"]) for p in pools if p.role == "decode"]


class KnownCosts:
    """Known costs [models, n] of a chunk, in the scenario's unit.

    A model with several pools costs their mean, weighted by replicas. A table's own costs, and
    ``cost_per_request``, go before the profile's.
    """

    def __init__(self, scenario: Scenario, workload: Workload, pools: list[PoolPlan]) -> None:
        self._scenario = scenario
        self._workload = workload
        self._cluster = pools
        self._outputs = [workload.usual_output_tokens(m) for m in range(len(scenario.models))]
        self._pools: list[list[PoolPlan]] = []
        for m, model in enumerate(scenario.models):
            own = list(pools_of(pools, m))
            if not own and (model.profile or model.coefficients or model.kind == "api"):
                own = [serving_plan(scenario, model, model.name, m, 0)]
            self._pools.append(own)
        self._most = [self._most_tokens(m, pools) for m in range(len(scenario.models))]
        self._tables: list[Floats] = [np.empty(0)] * len(scenario.models)

    @property
    def limited(self) -> bool:
        """Whether a request may be too long for a model."""
        return any(most is not None for most in self._most)

    @property
    def longest(self) -> tuple[int, int]:
        """Tokens of the longest request that any model takes, where there is a limit, and of the longest prompt."""
        limits = [limit for model in self._most if model is not None for limit in model]
        return max(most for most, _ in limits), max(most_prompt for _, most_prompt in limits)

    def _most_tokens(self, model: int, pools: list[PoolPlan]) -> list[tuple[int, int]] | None:
        """Most tokens of a request, and of its prompt, for each server of a model; None: none is ever too long."""
        entry = [p for p in pools if p.model == model and p.role != "decode"]
        limits = [limit for p in entry for limit in p.reach]
        if not limits:
            most = self._scenario.models[model].max_model_len
            limits = [] if most is None else [(most, most)]
        prompt = self._workload.longest_prompt_tokens()
        longest = prompt + self._workload.longest_answer_allowed(model)
        never = not limits or any(longest <= most and prompt <= most_prompt for most, most_prompt in limits)
        return None if never else limits

    def of_chunk(self, chunk: Chunk) -> Floats:
        """Known costs [models, n] of a chunk's requests; infinite where a model cannot be had, or takes less tokens."""
        costs = self.of_chunk_when_available(chunk)
        if chunk.available is not None:
            costs[~chunk.available] = np.inf
        for m, is_too_long in self.too_long(chunk).items():
            costs[m, is_too_long] = np.inf
        return costs

    def too_long(self, chunk: Chunk) -> dict[int, NDArray[np.bool_]]:
        """Which of a chunk's requests [n] are too long for a model, of those for which some may be."""
        if chunk.output_tokens is None:
            return {}
        prompt = chunk.prompt_tokens
        collected = {}
        for m, limits in enumerate(self._most):
            if limits is not None:
                tokens = prompt + (chunk.output_tokens[m] if chunk.max_new_tokens is None else chunk.max_new_tokens)
                collected[m] = np.all(
                    [(tokens > most) | (prompt > most_prompt) for most, most_prompt in limits], axis=0
                )
        return collected

    def of_chunk_when_available(self, chunk: Chunk) -> Floats:
        """The same, as if every model could be had."""
        costs = np.empty((len(self._scenario.models), len(chunk)))
        longest = int(chunk.prompt_tokens.max())
        for m in range(len(costs)):
            stated = None if chunk.costs is None else chunk.costs[m]
            if stated is None or np.isnan(stated).any():
                _core.look_up_costs(self._table(m, longest), chunk.prompt_tokens, costs[m])
            if stated is not None:
                np.copyto(costs[m], stated, where=~np.isnan(stated))
            elif chunk.price_factor is not None:
                costs[m] *= chunk.price_factor[m]
        return costs

    def _table(self, model: int, longest: int) -> Floats:
        """Known cost by prompt length: requests are many, lengths are few."""
        if longest >= len(self._tables[model]):
            lengths = np.arange(max(longest + 1, 2 * len(self._tables[model])), dtype=np.int32)
            self._tables[model] = self._of_model(model, lengths)
        return self._tables[model]

    @cached_property
    def means(self) -> list[float]:
        """Each model's mean known cost over the requests of the run, as if all could be had: of a sample of them."""
        shares, chunks = zip(*self._workload.sample(SAMPLE), strict=True)
        means = [self.of_chunk_when_available(chunk).mean(axis=1) for chunk in chunks]
        return [float(c) for c in sum(share * mean for share, mean in zip(shares, means, strict=True))]

    def marginal(self) -> _core.MarginalCosts:
        """What a request adds to the replica that it would go to; else its known cost."""
        if self._has_table_costs:
            return _core.MarginalCosts([])
        servers = []
        for m, model in enumerate(self._scenario.models):
            own = [(index, p) for index, p in enumerate(self._cluster) if p.model == m]
            if model.cost_per_request is None and not any(p.is_api for _, p in own):
                servers += [
                    {
                        "model": m,
                        "pool": index,
                        "places": p.serving.max_num_seqs,
                        "decoder_tokens": decoder_tokens(p.serving),
                        "known": self._figures(p, self._outputs[m]),
                    }
                    for index, p in own
                ]
        return _core.MarginalCosts(servers)

    def of_prompts(self) -> _core.PromptCosts:
        """The same by a prompt's length, for those that are known when the answer before is; not of stated costs."""
        pools: list[dict[str, object]] = []
        for m, (model, own) in enumerate(zip(self._scenario.models, self._pools, strict=True)):
            if model.cost_per_request is None and not self._has_table_costs:
                terms = list(_terms(own, self._outputs[m]))
                for k, (pool, output, share) in enumerate(terms):
                    costs = self._by_prompt(pool, output) | {"model": m}
                    is_as_before = bool(pools) and costs.items() <= pools[-1].items()
                    pools.append(costs | {"share": share, "as_before": is_as_before, "of_model": len(terms) - k})
        return _core.PromptCosts(pools)

    def _by_prompt(self, pool: PoolPlan, output: float) -> dict[str, object]:
        serving = pool.serving
        prices = ("usd_per_million_prompt_tokens", "usd_per_million_output_tokens")
        known = self._figures(pool, output) | ({"coefficients": None} if pool.is_api else {})
        return {"known": known, "is_api": pool.is_api} | {key: getattr(serving, key) for key in prices}

    @property
    def _has_table_costs(self) -> bool:
        satisfaction = self._scenario.satisfaction
        return satisfaction.kind == "table" and bool(satisfaction.costs or satisfaction.format == "capture")

    def _of_model(self, model: int, prompt_tokens: Ints) -> Floats:
        total = np.zeros(len(prompt_tokens))
        for pool, output, share in _terms(self._pools[model], self._outputs[model]):
            total += self._of_pool(pool, output, prompt_tokens) * share
        return total

    def _of_pool(self, pool: PoolPlan, output: float, prompt_tokens: Ints) -> Floats:
        serving = pool.serving
        if pool.is_api:
            return np.asarray(
                (serving.usd_per_million_prompt_tokens * prompt_tokens + serving.usd_per_million_output_tokens * output)
                / 1e6
            )
        costs = np.empty(len(prompt_tokens))
        _core.known_costs(self._figures(pool, output), prompt_tokens, costs)
        return costs

    def _figures(self, pool: PoolPlan, output: float) -> dict[str, object]:
        """Fields of ms_known_cost (csrc/cost.h)."""
        serving = pool.serving
        return {
            "coefficients": pool.coefficients,
            "usd_per_s": pool.usd_per_s,
            "max_batched_tokens": serving.max_batched_tokens,
            "nominal_batch": self._scenario.cluster.nominal_batch or min(32, serving.max_num_seqs),
            "mean_output_tokens": output,
            "mean_tokens": _mean_tokens(serving, output),
        }
