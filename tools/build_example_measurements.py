"""Write scenarios/data/own-gpu-*.csv: made-up measurements to try `messsim calibrate` on.

    python tools/build_example_measurements.py

Nothing in them was measured. A GPU that does not exist follows messsim's own formulas with the coefficients below, and
each reading is off by 2 % (normal, fixed seed). The same versions of NumPy and messsim give the same bytes.
"""

from pathlib import Path

import numpy as np

from messsim.study.calibrate.measurements import ServedPoints
from messsim.study.calibrate.served_fit import PointFit
from messsim.zoo.fitting import Iterations, predicted_joules, predicted_seconds

FOLDER = Path(__file__).resolve().parents[1] / "scenarios" / "data"
NOISE = 0.02
IDLE_W = 45.0

# Of a dense 8B model on one GPU of a kind that does not exist.
DURATION = {
    "a0_s": 0.012,
    "c0_s_per_token": 4e-5,
    "c1_s_per_token": 6e-5,
    "nstar_tokens": 200.0,
    "ae_s": 0.0,
    "se": 0.0,
    "ab_s_per_sequence": 4e-5,
    "ak_s_per_token": 8e-8,
    "aq_s_per_token2": 2.5e-9,
    "a1_s": 3e-3,
    "ac_s_per_token": 3e-6,
    "akm_s_per_token": 3e-7,
    "akx_s_per_token": 3e-6,
    "abk_s_per_token": 1e-9,
}
ENERGY = {"p0_w_per_gpu": 230.0, "e_j_per_token": 0.03, "ek_j_per_cached_token": 1.5e-5, "p_cap_w_per_gpu": 450.0}

DECODE = [(0, 0, b, b * context) for b in (1, 2, 4, 8, 16, 32, 64, 128, 256) for context in (128, 512, 2048)]
PREFILL = [(p, c, 0, 0) for p in (16, 64, 128, 192, 256, 384, 512, 1024, 2048) for c in (0, 4096)]
MIXED = [
    (p, c, b, b * context)
    for p, c in ((128, 0), (512, 0), (512, 4096), (2048, 0))
    for b in (2, 16, 64, 128, 256)
    for context in (256, 1024, 4096)
]
PAUSES = [(0, 0, 0, 0, seconds) for seconds in (10.0, 30.0)]

POINTS = [(c, p, o) for c in (1, 4, 16, 64) for p, o in ((128, 64), (1024, 64), (1024, 256), (4096, 128))]


def iterations(rng: np.random.Generator) -> str:
    """Measured iterations, and two pauses with their energy."""
    work = DECODE + PREFILL + MIXED
    prompts, prior, batch, cached = np.array(work, dtype=np.float64).T
    rows = Iterations(prompts, prompts * (prior + prompts / 2), prior, batch, cached, np.ones(len(work)))
    seconds = predicted_seconds(DURATION, rows) * (1 + NOISE * rng.standard_normal(len(work)))
    joules = predicted_joules(ENERGY, rows, seconds) * (1 + NOISE * rng.standard_normal(len(work)))
    lines = ["prompt_tokens,prompt_prior,batch,cached_tokens,duration_s,energy_j"]
    lines += [
        f"{','.join(map(str, w))},{s:.6f},{j:.4f}"
        for w, s, j in zip(work, seconds.tolist(), joules.tolist(), strict=True)
    ]
    lines += [f"0,0,0,0,{p[-1]:.1f},{IDLE_W * p[-1] * (1 + NOISE * rng.standard_normal()):.2f}" for p in PAUSES]
    return "\n".join(lines) + "\n"


def points(rng: np.random.Generator) -> str:
    """A server at fixed concurrencies."""
    clients, prompts, outputs = (list(c) for c in zip(*POINTS, strict=True))
    predicted = PointFit(ServedPoints(clients, prompts, outputs, {}, None), 1, (0, 0), {}, []).simulated(
        DURATION, {**ENERGY, "p_cap_w_per_gpu": 1e12}
    )
    lines = ["clients,prompt_tokens,output_tokens,ttft_s,tpot_s,j_per_token"]
    for i, point in enumerate(POINTS):
        readings = [predicted[n][i] * (1 + NOISE * rng.standard_normal()) for n in ("ttft_s", "tpot_s", "j_per_token")]
        lines.append(",".join([*map(str, point), *(f"{r:.5g}" for r in readings)]))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Writes both files."""
    for name, make in (("iterations", iterations), ("served", points)):
        (FOLDER / f"own-gpu-{name}.csv").write_text(make(np.random.default_rng(7)), encoding="utf-8")


if __name__ == "__main__":
    main()
