"""The tools that make the built-in profiles, on kernels that can be worked out by hand."""

from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools" / "profiles"


@pytest.fixture(autouse=True)
def tools(monkeypatch):
    pytest.importorskip("scipy")
    monkeypatch.syspath_prepend(TOOLS)


class Kernels:
    """Milliseconds: products 5, a prompt's attention by new token, decoding by cached token."""

    def __init__(self, by_token: float) -> None:
        self.by_token = by_token

    def tokens(self, n: int, outputs: int) -> float:
        return 5.0

    def prompt(self, p: int, prior: int) -> float:
        return self.by_token * p

    def decoding(self, batch: int, context: int) -> float:
        return 1e-5 * batch * context


def test_attention_that_goes_by_new_token_stands_in_the_knots_where_the_terms_leave_it_far_off():
    import composing

    plain = composing._fit(Kernels(1e-2), 50_000, None, composing.KNOTS, ())
    assert composing.far_off(plain)
    solution = composing.fitted(Kernels(1e-2), 50_000, None)
    assert max(e["mape"] for e in solution["errors"].values()) < 3.0
    knots = dict(zip(composing.KNOTS, solution["knots_s"], strict=True))
    assert knots[8192] - knots[2048] == pytest.approx(1e-5 * (8192 - 2048), rel=0.1)
    near = composing.fitted(Kernels(0.0), 50_000, None)
    assert near["knots_s"] == pytest.approx([5e-3] * len(composing.KNOTS))  # the terms do: as they were
