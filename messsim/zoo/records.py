"""What a profile is made of: frozen records, each field named with its unit.

`source` is a key of `load_sources()`; `assumed` names the fields that no measurement stands behind.
"""

from dataclasses import dataclass, replace

__all__ = ["Duration", "DurationError", "Energy", "Fp8Cache", "Host", "Memory", "Profile"]


@dataclass(frozen=True, slots=True)
class Host:
    """What an engine's own processes add to an iteration; `iteration_seconds` has the formula.

    Attributes
    ----------
    kind : str
        "sum": the GPU waits while the host prepares an iteration; "overlap": the host prepares the next one meanwhile.
    h0_s, h1_s_per_sequence : float
        Time of the host for an iteration, and for each sequence in it, prompts too, s.
    after_s : float
        What it adds to each iteration where it overlaps, s.
    """

    kind: str
    h0_s: float
    h1_s_per_sequence: float
    after_s: float
    source: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duration:
    """Time of an iteration on the GPU; `iteration_seconds` has the formula.

    Attributes
    ----------
    knots : tuple of (float, float)
        New tokens of an iteration and the time that they take together, s, linear in between: all but attention.
    ab_s_per_sequence : float
        Time of each decoding sequence, s.
    ak_s_per_token : float
        Time of each cached token of the decoding sequences, s.
    aq_s_per_token2 : float
        Attention of prompt tokens over each other and over what is cached of their prompt, s a token pair.
    a1_s, ac_s_per_token, akm_s_per_token, akx_s_per_token, abk_s_per_token : float
        Added where prompts run: once; for each token of them that is cached already; for each cached token of the
        decoding sequences; for each of the mean sequence; for each pair of cached token and decoding sequence, s.
    """

    knots: tuple[tuple[float, float], ...]
    ab_s_per_sequence: float
    ak_s_per_token: float
    aq_s_per_token2: float
    a1_s: float
    ac_s_per_token: float
    akm_s_per_token: float
    akx_s_per_token: float
    abk_s_per_token: float
    source: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DurationError:
    """How far the form is from iterations of the kernels that it was fitted to, percent.

    Not an error against served hardware: `messsim validate` has those.

    Attributes
    ----------
    decode, prefill, mixed : float
        Mean absolute error of each kind of iteration that it was fitted to.
    worst : float
        Greatest error of one of them.
    unseen_region : str
        Of iterations that it was not fitted to, by kind, batch or prompt, and context: where it is farthest off.
    unseen_error, unseen_bias : float
        Mean absolute error, and mean error with its sign, there.
    """

    decode: float
    prefill: float
    mixed: float
    worst: float
    unseen_region: str
    unseen_error: float
    unseen_bias: float


@dataclass(frozen=True, slots=True)
class Fp8Cache:
    """What attention takes with a cache in fp8, by kernels that have both.

    Attributes
    ----------
    decode, prompts : float
        Share of what decoding sequences' cached tokens, and prompts' attention, take with a cache in bf16.
    unseen_region, unseen_error, unseen_bias
        As in `DurationError`, of iterations with a cache in fp8.
    """

    decode: float
    prompts: float
    unseen_region: str
    unseen_error: float
    unseen_bias: float


@dataclass(frozen=True, slots=True)
class Energy:
    """The coefficients of GPU energy; `iteration_joules` has the formula. No CPU, network or cooling.

    Attributes
    ----------
    p0_w_per_gpu : float
        Power of a GPU while an iteration runs, whatever is in it, W.
    e_j_per_token : float
        Energy of each new token, prompt or output, over all GPUs, J.
    ek_j_per_cached_token : float
        Energy of each cached token of the decoding sequences in each iteration, over all GPUs, J.
    p_cap_w_per_gpu, p_idle_w_per_gpu : float
        Most that a GPU draws, and what it draws with a model loaded and nothing to do, W; both assumed.
    measured : bool
        Whether P0, e and ek were fitted to this model on these GPUs; if not, they follow the rule in `note`.
    mape_percent : float or None
        Mean absolute percentage error of that fit on its own readings; None where nothing was measured.
    """

    p0_w_per_gpu: float
    e_j_per_token: float
    ek_j_per_cached_token: float
    p_cap_w_per_gpu: float
    p_idle_w_per_gpu: float
    measured: bool
    mape_percent: float | None
    note: str
    source: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """What fits into a replica.

    Attributes
    ----------
    gpu_memory_bytes : int
        Memory of one GPU.
    weights_bytes : int
        Weights of the whole model, over all GPUs.
    kv_bytes_per_token : int
        What one cached token takes, over all GPUs.
    kv_capacity_tokens : int
        Cached tokens that fit into what weights and engine leave of 90 % of the memory.
    """

    gpu_memory_bytes: int
    weights_bytes: int
    kv_bytes_per_token: int
    kv_capacity_tokens: int
    source: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """One model, with weights of one kind, on one tensor-parallel group of `tp` GPUs (G in the formulas).

    Its cache is in bf16; `with_fp8_cache` is the same with a cache in fp8.
    """

    model: str
    gpu: str
    gpu_name: str
    tp: int
    weights: str
    duration: Duration
    duration_error: DurationError
    host: Host
    energy: Energy
    memory: Memory
    fp8_cache: Fp8Cache | None

    def with_fp8_cache(self) -> "Profile":
        """The same with a cache of half the bytes, for a profile whose `fp8_cache` is not None.

        Attention takes what kernels take; the energy of a cached token is halved with its bytes, which is assumed, so
        that energies which have such a part are measured no longer.
        """
        shares, d, e, m = self.fp8_cache, self.duration, self.energy, self.memory
        assert shares is not None
        return replace(
            self,
            duration=replace(
                d,
                ak_s_per_token=d.ak_s_per_token * shares.decode,
                akm_s_per_token=d.akm_s_per_token * shares.decode,
                akx_s_per_token=d.akx_s_per_token * shares.decode,
                abk_s_per_token=d.abk_s_per_token * shares.decode,
                aq_s_per_token2=d.aq_s_per_token2 * shares.prompts,
                ac_s_per_token=d.ac_s_per_token * shares.prompts,
            ),
            energy=replace(
                e,
                ek_j_per_cached_token=e.ek_j_per_cached_token / 2,
                measured=e.measured and e.ek_j_per_cached_token == 0.0,
                mape_percent=e.mape_percent if e.ek_j_per_cached_token == 0.0 else None,
                assumed=tuple(dict.fromkeys((*e.assumed, "ek_j_per_cached_token"))),
            ),
            memory=replace(
                m, kv_bytes_per_token=m.kv_bytes_per_token // 2, kv_capacity_tokens=2 * m.kv_capacity_tokens
            ),
        )

    @property
    def name(self) -> str:
        """The profile's name, such as "Llama-3.1-8B/H100/tp1", or "Llama-3.1-8B/H100/tp1/fp8"."""
        return f"{self.model}/{self.gpu}/tp{self.tp}" + ("" if self.weights == "bf16" else f"/{self.weights}")
