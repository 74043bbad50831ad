"""Write the tables and pictures of docs/accuracy.md from a data directory.

    python tools/build_accuracy.py [DATA]      DATA: by default ../shared/data beside the repository

What stands between ``<!-- table: NAME -->`` and ``<!-- end -->`` is replaced; the prose around it is left alone. It
takes some minutes: calibrating to served points does. The same data give the same bytes. Measured readings are shown
only where the source's licence is clear: of the ML.ENERGY tables, errors alone.
"""

import argparse
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from messsim.report.hardware.accuracy import group_table, row_table, summary_table, unknown_table
from messsim.report.hardware.accuracy_plots import accuracy_svg
from messsim.study.calibrate.fitting import calibrate
from messsim.study.calibrate.measured import SERVED_FILE
from messsim.study.calibrate.measurements import READINGS, ServedPoints, read_measurements
from messsim.study.calibrate.options import Options
from messsim.study.calibrate.served_fit import PointFit
from messsim.study.validate.against_hardware import validate
from messsim.zoo.fitting import DURATION

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = REPOSITORY / "docs"
PAGES = (DOCS / "accuracy.md", DOCS / "accuracy-rows.md")
_TABLE = re.compile(r"(<!-- table: (?P<name>[\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

# Files of iterations, rows, experts and experts a token uses, and what their readings are.
ITERATIONS = [
    ("composed_iterations", {"model": "Llama-3.1-8B", "gpu": "H100-80GB-SXM", "tp": "1"}, (0, 0), "composed"),
    ("composed_iterations", {"model": "Llama-3.1-70B", "gpu": "H100-80GB-SXM", "tp": "4"}, (0, 0), "composed"),
    ("composed_iterations", {"model": "Mixtral-8x7B", "gpu": "A100-80GB-SXM", "tp": "4"}, (8, 2), "composed"),
    ("composed_iterations", {"model": "Qwen3-30B-A3B", "gpu": "H100-80GB-SXM", "tp": "1"}, (128, 8), "composed"),
    ("mixed_rtxpro6000_llama31_8b", {}, (0, 0), "composed, mixed attention measured"),
    ("splitwise_iterations", {"model": "llama2-70b", "gpu": "H100-80GB", "tp": "4"}, (0, 0), "measured"),
]
CAPACITIES = {"mixed_rtxpro6000_llama31_8b": 530_000}  # cached tokens: rows beyond are what no server runs
REGIONS = [f"decode, batch {b} 32" for b in ("up to", "above")] + ["prefill"]
REGIONS += [f"mixed, batch {b} 32" for b in ("up to", "above")]
# Served points: engine, checkpoint, tp, what is fitted, the built-in profile to start from.
SERVED = [
    ("trtllm", "meta-llama/Llama-3.1-8B-Instruct", 1, "tpot_s", "Llama-3.1-8B/H100/tp1"),
    ("trtllm", "meta-llama/Llama-3.1-8B-Instruct", 2, "tpot_s", "Llama-3.1-8B/H100/tp2"),
    ("sglang", "Qwen/Qwen3-32B", 2, "e2e_s", "Qwen3-32B/H100/tp2"),
]
HELD_OUT = 2048  # prompt tokens of the points that are not fitted
KNEE = "nstar_tokens=150"  # which means of a server do not tell


def tables(data: Path) -> tuple[dict[str, str], dict[str, str], list[dict[str, Any]]]:
    """Return the tables of the pages as Markdown, and the pictures as SVG, by name; and the served rows."""
    validation = validate(data)
    texts = {}
    for name, part in validation.items():
        texts[f"{name}-summary"] = summary_table(part)
        texts[f"{name}-groups"] = group_table(part)
        texts[f"{name}-rows"] = row_table(part, readings=name in ("served", "bursts"))
        texts[f"{name}-unknown"] = unknown_table(part) if part["without_profile"] else ""
    return texts, accuracy_svg(validation), validation["served"]["rows"]


def iteration_fits(data: Path) -> str:
    """Return how well the form fits iterations, by region, as Markdown."""
    lines = [
        f"| model, GPUs | readings | rows | {' | '.join(REGIONS)} | not determined |",
        "|---" * (4 + len(REGIONS)) + "|",
    ]
    for file, whose, (experts, top_k), kind in ITERATIONS:
        fitted = calibrate(
            data / "profiles" / f"{file}.csv",
            [f"{k}={v}" for k, v in whose.items()],
            Options(experts=experts, top_k=top_k, kv_capacity_tokens=CAPACITIES.get(file)),
        )
        by_region = {e["region"]: e["duration"] for e in fitted["errors"]}
        cells = [_percents(by_region[r]) if r in by_region else "-" for r in REGIONS]
        name = f"{fitted['model']}, {fitted['tp']} {str(fitted['gpu']).split('-80')[0]}"
        missing = ", ".join(n.split("_")[0] for n in fitted["not_determined"]) or "-"
        lines.append(f"| {name} | {kind} | {fitted['rows']:,} | {' | '.join(cells)} | {missing} |")
    return "\n".join(lines)


def _percents(sizes: dict[str, float]) -> str:
    return f"{100 * sizes['mape']:.1f} / {100 * sizes['worst']:.0f}"


def served_fits(data: Path, rows: list[dict[str, Any]]) -> str:
    """Return errors on points that were not fitted, of the built-in profile (`rows`) and calibrated, as Markdown."""
    lines = ["| model, GPUs, engine | fitted to | points | held out | TTFT | TPOT | end to end | fitted coefficients |"]
    lines.append("|---" * 8 + "|")
    table = pl.read_csv(data / SERVED_FILE).select(
        "model",
        "backend",
        "tp",
        clients="batch",
        prompt_tokens="prompt_len",
        output_tokens="output_len",
        ttft_s=pl.col("ttft_ms") / 1e3,
        tpot_s=pl.col("tpot_ms") / 1e3,
        e2e_s=(pl.col("ttft_ms") + (pl.col("output_len") - 1) * pl.col("tpot_ms")) / 1e3,
    )
    for engine, model, tp, reading, base in SERVED:
        mine = table.filter(backend=engine, model=model, tp=tp).drop("backend")
        before = [
            r["error"]
            for r in rows
            if (r["model"], r["gpus"], r["prompt_tokens"]) == (model, tp, HELD_OUT) and r["engine"].startswith(engine)
        ]
        after, fitted, counts = _held_out(mine, tp, reading, base)
        name = f"{model.split('/')[-1].removesuffix('-Instruct')}, {tp} H100, {engine}"
        cells = [
            f"{100 * float(np.mean([abs(e[n]) for e in before])):.1f} → {100 * after[n]:.1f} %" for n in READINGS[:3]
        ]
        what = {"tpot_s": "TPOT", "e2e_s": "end to end"}[reading]
        lines.append(f"| {name} | {what} | {counts[0]} | {counts[1]} | {' | '.join(cells)} | {', '.join(fitted)} |")
    return "\n".join(lines)


def _held_out(
    rows: pl.DataFrame, tp: int, reading: str, base: str
) -> tuple[dict[str, float], list[str], tuple[int, int]]:
    """Mean errors of TTFT, TPOT and end to end by the fit, what was fitted, and counts of points."""
    fitted, held = (rows.filter((pl.col("prompt_tokens") == HELD_OUT) == out) for out in (False, True))
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("fitted.csv", "held.csv")]
        fitted.drop([r for r in ("ttft_s", "tpot_s", "e2e_s") if r != reading]).write_csv(files[0])
        held.write_csv(files[1])
        coefficients = calibrate(files[0], options=Options(base=base, given=[KNEE]))["coefficients"]
        points = read_measurements(files[1]).rows
    assert isinstance(points, ServedPoints)
    predicted = PointFit(points, tp, (0, 0), {}, []).simulated({n: coefficients[n]["value"] or 0.0 for n in DURATION})
    errors = {n: float(np.abs(predicted[n] / held[n].to_numpy() - 1).mean()) for n in READINGS[:3]}
    names = [n.split("_")[0] for n in DURATION if coefficients[n]["how"] == "fitted"]
    return errors, names, (fitted.height, held.height)


def spliced(page: str, texts: dict[str, str]) -> str:
    """Return a page with those of its tables replaced that are there."""
    return _TABLE.sub(lambda m: f"{m[1]}\n{texts[m['name']]}\n\n{m[3]}" if m["name"] in texts else m[0], page)


def main() -> None:
    """Read the data directory of the command line and write pages and pictures."""
    parser = argparse.ArgumentParser(description="Write the tables and pictures of docs/accuracy.md.")
    parser.add_argument("data", nargs="?", type=Path, default=REPOSITORY.parent / "shared" / "data")
    data = parser.parse_args().data
    texts, pictures, rows = tables(data)
    texts |= {"iteration-fits": iteration_fits(data), "served-fits": served_fits(data, rows)}
    for page in PAGES:
        page.write_text(spliced(page.read_text(encoding="utf-8"), texts), encoding="utf-8")
    for name, svg in pictures.items():
        (DOCS / f"accuracy-{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
