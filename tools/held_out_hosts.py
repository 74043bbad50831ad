"""Print how far off the served points are with hosts that were fitted to other numbers of GPUs.

    python tools/held_out_hosts.py [DATA]      DATA: by default ../shared/data beside the repository

For each engine and number of GPUs the host's time is fitted to the TPOT of the engine's other points, and judged on
these. It takes some ten minutes: every step of a fit simulates all points.
"""

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from messsim.study.calibrate.measured import HOSTS, served_points
from messsim.study.validate.against_hardware import predict
from messsim.zoo import load_hosts

REPOSITORY = Path(__file__).resolve().parents[1]
GPUS = {"vllm": (2, 4, 8), "sglang": (2, 4, 8), "trtllm": (1, 2, 4)}  # of points that are fitted and judged
READINGS = ("ttft_s", "tpot_s", "e2e_s")
PARTS = ("h0_s", "h1_s_per_sequence", "after_s")


def errors(data: Path, engine: str, gpus: list[int], kind: str, parts: dict[str, float]) -> np.ndarray:
    """Return predicted over measured, minus one, of each point: TTFT, TPOT and end to end."""
    figures = ",".join(f"{name}={float(value)!r}" for name, value in parts.items())
    points = served_points(data, [f'models.0.host={{kind="{kind}",{figures}}}'], None)
    mine = [p for p in points if p.scenario and p.facts["engine"].startswith(engine) and p.facts["gpus"] in gpus]
    predicted = [predict(p) for p in mine]
    return np.array([[made[n] / p.measured[n] - 1 for n in READINGS] for p, made in zip(mine, predicted, strict=True)])


def fitted(data: Path, engine: str, gpus: list[int]) -> tuple[str, dict[str, float]]:
    """Return the kind of the host, and its parts, those that are 0 in the zoo left out."""
    host = load_hosts()[HOSTS[engine]]
    start = {name: getattr(host, name) for name in PARTS if getattr(host, name)}

    def parts(scaled: np.ndarray) -> dict[str, float]:
        return {name: float(x * value) for x, (name, value) in zip(scaled, start.items(), strict=True)}

    def misfits(scaled: np.ndarray) -> np.ndarray:
        return errors(data, engine, gpus, host.kind, parts(scaled))[:, 1]

    solution = least_squares(misfits, np.ones(len(start)), bounds=(0, np.inf), diff_step=0.05, max_nfev=8, xtol=1e-3)
    return host.kind, parts(solution.x)


def main(data: Path) -> None:
    """Print a line for each engine and number of GPUs, and one for each engine."""
    for engine, all_gpus in GPUS.items():
        judged = []
        for left_out in all_gpus:
            kind, parts = fitted(data, engine, [n for n in all_gpus if n != left_out])
            judged.append(errors(data, engine, [left_out], kind, parts))
            print(engine, left_out, parts, _shown(judged[-1]), flush=True)
        print(engine, "all", _shown(np.vstack(judged)), flush=True)


def _shown(misses: np.ndarray) -> str:
    sizes, biases = (100 * values.mean(axis=0) for values in (np.abs(misses), misses))
    return "  ".join(f"{name} {a:.1f}/{b:+.1f}" for name, a, b in zip(READINGS, sizes, biases, strict=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY.parent / "shared" / "data")
