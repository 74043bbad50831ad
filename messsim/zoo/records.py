"""What a profile is made of: frozen records, each field named with its unit.

`source` is a key of `load_sources()`; `assumed` names the fields that no measurement stands behind.
"""

from dataclasses import dataclass

__all__ = ["Duration", "DurationError", "Energy", "Memory", "Profile"]


@dataclass(frozen=True, slots=True)
class Duration:
    """The coefficients of an iteration's duration; `iteration_seconds` has the formula.

    Attributes
    ----------
    a0_s : float
        Fixed time of an iteration, host included, s.
    c1_s_per_token : float
        Time of each new token beyond `nstar_tokens`, s.
    nstar_tokens : float
        New tokens up to which reading the weights hides the arithmetic.
    ae_s, se : float
        Time to read all experts, s, and how fast a token's choices cover them; 0 in a dense model.
    experts, top_k : int
        Experts a layer and experts a token uses; 0 in a dense model.
    ab_s_per_sequence : float
        Time of each decoding sequence, host included, s.
    ak_s_per_token : float
        Time of each cached token of the decoding sequences, s.
    akm_s_per_token : float
        What an iteration that also carries prompt tokens adds to `ak_s_per_token`, s; assumed, 1.5 times it.
    aq_s_per_token2 : float
        Attention of prompt tokens over each other and over what is cached of their prompt, s a token pair.
    """

    a0_s: float
    c1_s_per_token: float
    nstar_tokens: float
    ae_s: float
    se: float
    experts: int
    top_k: int
    ab_s_per_sequence: float
    ak_s_per_token: float
    akm_s_per_token: float
    aq_s_per_token2: float
    source: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DurationError:
    """How far the form is from the iterations it was fitted to: mean absolute error by kind, percent.

    Not an error against served hardware: there (H100, time per output token) the means are 2 to 12 %, 20 %
    for code completion, and the worst reading is off by 47 %.
    """

    decode: float
    prefill: float
    mixed: float


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
        bfloat16 weights of the whole model, over all GPUs.
    kv_bytes_per_token : int
        Keys and values of one cached token, over all GPUs.
    kv_capacity_tokens : int or None
        Cached tokens that fit into what the weights leave of 90 % of the memory; None if nothing is left.
    """

    gpu_memory_bytes: int
    weights_bytes: int
    kv_bytes_per_token: int
    kv_capacity_tokens: int | None
    source: str
    assumed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """One model on one tensor-parallel group of `tp` GPUs (G in the formulas)."""

    model: str
    gpu: str
    gpu_name: str
    tp: int
    duration: Duration
    duration_error: DurationError
    energy: Energy
    memory: Memory

    @property
    def name(self) -> str:
        """The profile's name, such as "Llama-3.1-8B/H100/tp1"."""
        return f"{self.model}/{self.gpu}/tp{self.tp}"
