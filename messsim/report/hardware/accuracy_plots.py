"""Pictures of what `messsim validate` found (extra `plot`)."""

from typing import Any

from messsim.errors import OutputError
from messsim.plot.files import svg_of
from messsim.shapes.evidence import Accuracy, AccuracyTable, Facts

from .accuracy import short_name

__all__ = ["accuracy_svg"]

SIZES = {"served": 215, "energy": 330}  # points, of one panel: three or two in the width of a page
RATIOS = [0.25, 0.35, 0.5, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 2, 3, 4, 6]  # that an axis may name
NAMES = {
    "ttft_s": "TTFT",
    "tpot_s": "TPOT",
    "e2e_s": "end to end",
    "tokens_per_s": "output tokens/s",
    "j_per_token": "J/output token",
}


def accuracy_svg(result: Accuracy) -> dict[str, str]:
    """Two SVG pictures by name: `served` and `energy`.

    Raises
    ------
    OutputError
        If Altair is not installed.
    """
    try:
        import altair as alt
    except ImportError:
        raise OutputError("Altair is not installed; expected `pip install messsim[plot]` for plots") from None
    alt.data_transformers.disable_max_rows()
    served, energy = result["served"], result["energy"]
    panels = {
        "served": [_scatter(alt, _points(served, name, 1e3), NAMES[name]) for name in ("tpot_s", "ttft_s", "e2e_s")],
        "energy": [_ratios(alt, _points(energy, name, 1), NAMES[name]) for name in ("tokens_per_s", "j_per_token")],
    }
    titles = {
        "served": "Mean latencies at 8 to 128 clients, predicted against measured (line: equal)",
        "energy": "Predicted over measured while servers are full, by clients (line: equal)",
    }
    drawn = {}
    for name, charts in panels.items():
        chart = alt.hconcat(*(c.properties(width=SIZES[name], height=SIZES[name]) for c in charts), spacing=12)
        chart = chart.properties(title=titles[name], background="white").configure_legend(
            orient="bottom", columns=3, labelLimit=0
        )
        drawn[name] = svg_of(chart)
    return drawn


def _points(table: AccuracyTable, name: str, factor: float) -> list[Facts]:
    return [
        {
            "measured": _short(factor * r["measured"][name]),
            "predicted": _short(factor * r["predicted"][name]),
            "ratio": _short(1 + r["error"][name]),
            "clients": r["clients"],
            "series": _series(r),
            "GPU": r["gpu"],
            "fitted": "fitted on these rows" if r["in_sample"] else "not fitted on these rows",
        }
        for r in table["rows"]
    ]


def _short(value: float) -> float:
    """Four digits: more cannot be seen, and the last ones are not the same on every machine."""
    return float(f"{value:.4g}")


def _series(row: Facts) -> str:
    model = short_name(row["model"])
    return f"{model}, {row['engine'].split()[0]}" if "engine" in row else f"{model}, {row['gpus']} GPU"


def _scatter(alt: Any, points: list[Facts], name: str) -> Any:
    """Predicted against measured, both logarithmic."""
    values = [p[what] for p in points for what in ("measured", "predicted")]
    ends = [0.9 * min(values), 1.1 * max(values)]
    scale = alt.Scale(type="log", domain=ends, nice=False)
    dots = (
        alt.Chart(alt.Data(values=points))
        .mark_point(filled=True, opacity=0.7, size=28)
        .encode(
            x=alt.X("measured:Q", title=f"measured {name}, ms", scale=scale).axis(tickCount=5, format="~s"),
            y=alt.Y("predicted:Q", title=f"predicted {name}, ms", scale=scale).axis(tickCount=5, format="~s"),
            color=alt.Color("series:N", title=None),
        )
    )
    line = [{"measured": e, "predicted": e} for e in ends]
    equal = alt.Chart(alt.Data(values=line)).mark_line(color="black", size=1).encode(x="measured:Q", y="predicted:Q")
    return alt.layer(equal, dots)


def _ratios(alt: Any, points: list[Facts], name: str) -> Any:
    """Predicted over measured by the number of clients, both logarithmic: half and twice are as far from equal."""
    clients = [p["clients"] for p in points]
    ends = [0.75 * min(clients), 1.35 * max(clients)]
    dots = (
        alt.Chart(alt.Data(values=points))
        .mark_point(filled=True, opacity=0.6, size=32)
        .encode(
            x=alt.X("clients:Q", title="clients", scale=alt.Scale(type="log", base=2, domain=ends, nice=False)),
            y=alt.Y(
                "ratio:Q", title=f"{name}: predicted / measured", scale=alt.Scale(type="log", nice=False, padding=10)
            ).axis(values=RATIOS, format="~"),
            color=alt.Color("GPU:N", title="GPU"),
            shape=alt.Shape("fitted:N", title="energy coefficients"),
            detail="series:N",
        )
    )
    equal = alt.Chart(alt.Data(values=[{"ratio": 1.0}])).mark_rule(color="black").encode(y="ratio:Q")
    return alt.layer(equal, dots)
