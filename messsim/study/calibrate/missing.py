"""What to measure for coefficients that the measurements leave open."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["measure_next"]

# By coefficient: iterations that show it.
ITERATIONS = {
    "a0_s": "iterations that only decode, with 1 to 8 sequences",
    "c0_s_per_token": "iterations with few and with some hundred new tokens",
    "c1_s_per_token": "prompts of 500 tokens and more",
    "nstar_tokens": "prompts on both sides of some 200 tokens",
    "ae_s": "batches of 1 to 64 sequences that only decode",
    "se": "batches of 1 to 64 sequences that only decode",
    "ab_s_per_sequence": "few and many sequences that only decode, with short and with long contexts",
    "ak_s_per_token": "few and many sequences that only decode, with short and with long contexts",
    "aq_s_per_token2": "long prompts, of 4,000 tokens and more",
    "a1_s": "short prompts by themselves",
    "ac_s_per_token": "prompts of which a part is cached",
    "akm_s_per_token": "prompts beside decoding sequences, with short and with long contexts",
    "akx_s_per_token": "prompts beside one or two decoding sequences with long contexts",
    "abk_s_per_token": "prompts beside many decoding sequences, with short and with long contexts",
    "p0_w_per_gpu": "energy of iterations with few tokens, and of some with many",
    "e_j_per_token": "energy of iterations with few tokens, and of some with many",
    "ek_j_per_cached_token": "energy of decoding sequences with short and with long contexts",
    "p_cap_w_per_gpu": "energy of the largest prompts that an iteration takes",
}
# The same for a server at fixed concurrencies: a point has one of each of clients, prompt and answer lengths.
POINTS = {
    "a0_s": "1 client",
    "c1_s_per_token": "prompts of 1,000 tokens and more",
    "nstar_tokens": "64 clients and more with short prompts",
    "ae_s": "1 to 64 clients with short prompts",
    "se": "1 to 64 clients with short prompts",
    "ab_s_per_sequence": "1 to 256 clients with short prompts and long answers",
    "ak_s_per_token": "many clients with short and with long prompts, and long answers",
    "aq_s_per_token2": "prompts of 4,000 tokens and more",
    "akm_s_per_token": "many clients with long prompts and short answers",
    "p0_w_per_gpu": "energy with 1 client, and with many",
    "e_j_per_token": "energy with 1 client, and with many",
    "ek_j_per_cached_token": "energy of many clients with short and with long prompts",
}


# Where there are no more readings than coefficients: they fit exactly, whatever they say.
MORE = {
    True: "a dozen points, of which clients, prompt and answer lengths differ",
    False: "some dozens of iterations: decoding, prompts, and both together, each with little and with much to do",
}


def measure_next(names: Sequence[str], *, served: bool, few: bool = False) -> list[str]:
    """What shows the named coefficients, each thing once; nothing for those that no measurement of this kind shows.

    `few`: there are no more readings than coefficients.
    """
    shown = POINTS if served else ITERATIONS
    needed = list(dict.fromkeys(shown[name] for name in names if name in shown))
    return [MORE[served], *needed] if few and needed else needed
