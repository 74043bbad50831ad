"""What a profile is made of: frozen records, each field named with its unit.

`source` is a key of `load_sources()`; `assumed` names the fields that no measurement stands behind.
"""

from dataclasses import dataclass

__all__ = ["Duration", "DurationError", "Energy", "Host", "Memory", "Profile"]


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
    """One model, with weights of one kind, on one tensor-parallel group of `tp` GPUs (G in the formulas)."""

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

    @property
    def name(self) -> str:
        """The profile's name, such as "Llama-3.1-8B/H100/tp1", or "Llama-3.1-8B/H100/tp1/fp8"."""
        return f"{self.model}/{self.gpu}/tp{self.tp}" + ("" if self.weights == "bf16" else f"/{self.weights}")
