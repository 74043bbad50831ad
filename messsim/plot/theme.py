"""How charts look, in light and in dark: colours that stay apart for colour-blind readers, quiet axes."""

from typing import Any

__all__ = ["DARK", "LIGHT", "Specification"]

Specification = dict[str, Any]  # of Vega-Lite, whose schema is its own

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif"
LABEL_END = 12  # pixels: the label of a tick that is nearer to an axis's end stays within it


def _theme(
    surface: str, ink: str, quiet: str, grid: str, promise: str, tones: list[str], series: list[str]
) -> Specification:
    """Vega-Lite's `config`; marks take their colours from the named styles.

    A colour of `series` means a model wherever it stands; all else is drawn in `tones` of grey, the promise in red.
    """
    return {
        "background": surface,
        "font": FONT,
        "view": {"stroke": None},
        "range": {"category": series, "ordinal": tones},
        "axis": {
            "domainColor": grid,
            "gridColor": grid,
            "tickColor": grid,
            "labelColor": quiet,
            "titleColor": quiet,
            "titleFontWeight": "normal",
            "labelFontSize": 11,
            "titleFontSize": 12,
            "labelFlush": False,
            "titleAnchor": "end",
        },
        "axisX": {"grid": False, "labelFlush": LABEL_END, "labelSeparation": 6},
        "axisY": {"domain": False, "ticks": False, "labelPadding": 6},
        "legend": {
            "orient": "top",
            "columns": 4,
            "title": None,
            "labelColor": ink,
            "titleColor": quiet,
            "labelFontSize": 12,
            "labelLimit": 240,
            "symbolStrokeWidth": 2.5,
            "symbolBaseStrokeColor": quiet,
            "padding": 0,
            "offset": 12,
        },
        "title": {"color": ink, "subtitleColor": quiet, "anchor": "start", "fontSize": 15, "fontWeight": 600},
        "line": {"strokeWidth": 2, "strokeJoin": "round"},
        "bar": {"stroke": surface, "strokeWidth": 1},
        "area": {"stroke": surface, "strokeWidth": 1},
        "style": _styles(surface, ink, quiet, promise, tones, series),
    }


def _styles(surface: str, ink: str, quiet: str, promise: str, tones: list[str], series: list[str]) -> Specification:
    """The named styles of marks, each by what it is drawn for."""
    return {
        "promise": {"color": promise, "strokeDash": [6, 4], "strokeWidth": 1.5},
        "promise-label": {"color": promise, "fontSize": 12, "fontWeight": 600},
        "promise-halo": {"color": surface, "fontSize": 12, "fontWeight": 600, "stroke": surface, "strokeWidth": 4},
        "mark": {"color": quiet, "strokeDash": [2, 3]},
        "mark-label": {"color": quiet, "fontSize": 11},
        "mark-halo": {"color": surface, "stroke": surface, "strokeWidth": 3, "fontSize": 11},
        "mark-edge": {"color": surface, "strokeWidth": 2, "opacity": 0.4},
        "outage": {"color": promise, "opacity": 0.14, "strokeWidth": 0},
        "strip": {"color": promise, "opacity": 0.7, "strokeWidth": 0},
        "value-label": {"color": ink, "fontSize": 12},
        "halo": {"color": surface, "stroke": surface, "strokeWidth": 4, "fontSize": 12},
        "owed": {"color": tones[1], "strokeWidth": 0},
        "band": {"color": tones[1], "opacity": 0.25, "strokeWidth": 0},
        "median": {"color": tones[0]},
        "dot": {"color": tones[0], "opacity": 1},
        "whisker": {"color": quiet, "strokeWidth": 1.5},
        "reference": {"color": quiet},
        "crosshair": {"color": quiet},
        "met": {"color": series[1], "opacity": 1},
        "uncertain": {"color": series[2], "opacity": 1},
        "failed": {"color": promise, "opacity": 1},
    }


LIGHT = _theme(
    "#ffffff",
    "#16181d",
    "#565b66",
    "#dfe2e8",
    "#c0263a",
    ["#2b3242", "#858da0", "#5d4a8a", "#9b8f7a"],
    ["#2a6fdb", "#0f9d76", "#e08a00", "#7b52c7", "#d1437f", "#5b8c2a", "#0b8fa8", "#a0562f"],
)
DARK = _theme(
    "#15181e",
    "#e9ebf0",
    "#a3a9b6",
    "#2d323c",
    "#ff7a85",
    ["#dfe3ec", "#8a93a6", "#b9a8e8", "#c9b999"],
    ["#6aa5ff", "#35c79d", "#f2b046", "#b096f5", "#f284b4", "#9ac963", "#4cc4dc", "#d68f66"],
)
