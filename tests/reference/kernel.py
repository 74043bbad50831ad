"""The reference's coefficients as the compiled core takes them."""

from dataclasses import asdict

from reference.replica import Coefficients

NAMES = {  # the reference's symbols and the kernel's names with units
    "a0": "a0_s",
    "c1": "c1_s_per_token",
    "nstar": "nstar_tokens",
    "ae": "ae_s",
    "se": "se",
    "experts": "experts",
    "top_k": "top_k",
    "ab": "ab_s_per_sequence",
    "ak": "ak_s_per_token",
    "akm": "akm_s_per_token",
    "aq": "aq_s_per_token2",
    "p0": "p0_w",
    "e": "e_j_per_token",
    "ek": "ek_j_per_token",
    "p_cap": "p_cap_w",
    "c0": "c0_s_per_token",
    "a1": "a1_s",
    "ac": "ac_s_per_token",
    "akx": "akx_s_per_token",
    "abk": "abk_s_per_token",
    "h0": "host_s",
    "h1": "host_s_per_sequence",
    "after": "after_s",
    "d0": "draft_s",
    "d1": "draft_s_per_sequence",
}


def kernel_coefficients(c: Coefficients) -> dict[str, object]:
    """Fields of ms_coefficients (csrc/iteration.h), of a replica that draws nothing when idle."""
    numbers = {NAMES[k]: float(v) for k, v in asdict(c).items() if k in NAMES}
    knots = tuple((float(n), float(s)) for n, s in c.knots)
    return numbers | {"p_idle_w": 0.0, "knots": knots, "host_kind": "overlap" if c.overlaps else "sum"}
