"""The experiments of the MESS+ paper: what it published, and scenarios of the same figures.

Source: Woisetschläger, Zhang, Wang, Jacobsen, "MESS+: Dynamically Learned Inference-Time LLM Routing in Model Zoos
with Service Level Guarantees", NeurIPS 2025, arXiv 2505.19947. Accuracy and joules of each model are the paper's, and
so are the published rows. The slope is ours: the one at which some model is right on as many requests as there.
``scenarios/paper`` holds the same scenarios as files.
"""

from dataclasses import dataclass

from messsim.scenario.toml import Table

__all__ = ["BENCHMARKS", "MODELS", "PUBLISHED_COST_MJ", "RIVALS_COST_MJ", "Benchmark"]

MODELS = ("llama-3.2-1b", "llama-3.1-8b", "llama-3.3-70b")  # in rising order of cost
PUBLISHED_COST_MJ, RIVALS_COST_MJ = 1.07, (2.09, 2.11)  # mean over the eight benchmarks, megajoules


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes
    ----------
    name
        Of the scenario's file.
    title
        As the paper writes it.
    capture
        Its name in the authors' capture files.
    requests, alpha, slope
        Of the scenario.
    accuracy, cost_j
        Of each model, smallest first: mean satisfaction in [0, 1], joules a request.
    satisfaction
        What MESS+ reached in the paper, in [0, 1]: the mean over steps of the satisfaction so far.
    shares
        Of requests that each model answered there, smallest model first; rounded to 0.01, they may not sum to 1.
    """

    name: str
    title: str
    capture: str
    requests: int
    alpha: float
    slope: float
    accuracy: tuple[float, ...]
    cost_j: tuple[float, ...]
    satisfaction: float
    shares: tuple[float, ...]

    def scenario(self) -> Table:
        """As in ``scenarios/paper``: outcomes by item response theory, and synthetic features."""
        models = zip(MODELS, self.accuracy, self.cost_j, strict=True)
        return self.setting() | {
            "requests": self.requests,
            "satisfaction": {"kind": "irt", "slope": self.slope},
            "features": {"dimensions": 16, "signal": 0.5},
            "models": [{"name": n, "satisfaction": s, "cost_per_request": c} for n, s, c in models],
        }

    def setting(self) -> Table:
        """What the paper's runs have in common: no servers, labels at once, V = 1e-4 per joule."""
        return {
            "name": f"paper/{self.name}",
            "seed": 1,
            "sla": {"alpha": self.alpha},
            "arrivals": {"kind": "poisson", "rate_rps": 1.0},
            "router": {"policy": "mess+", "V": 1e-4, "learn": "explored", "c": 0.1},
            "cluster": {"mode": "none"},
        }


# fmt: off
BENCHMARKS = (
    Benchmark("arc-challenge", "ARC-Challenge", "arc_challenge", 1172, 0.50, 3.479,
              (0.3788, 0.5444, 0.6084), (79.9, 393.7, 2002.6), 0.5362, (0.19, 0.38, 0.43)),
    Benchmark("arc-easy", "ARC-Easy", "arc_easy", 2500, 0.75, 3.720,
              (0.6276, 0.7972, 0.8312), (81.8, 389.6, 2021.2), 0.7696, (0.20, 0.56, 0.24)),
    Benchmark("boolq", "BoolQ", "boolq", 3270, 0.80, 2.540,
              (0.6917, 0.8416, 0.8878), (43.6, 130.7, 1040.8), 0.8221, (0.25, 0.42, 0.34)),
    Benchmark("logiqa", "LogiQA", "logiqa", 1953, 0.40, 1.038,
              (0.2719, 0.2903, 0.4931), (87.7, 414.4, 2103.3), 0.4143, (0.27, 0.12, 0.61)),
    Benchmark("piqa", "PIQA", "piqa", 1838, 0.78, 5.661,
              (0.7405, 0.7933, 0.8270), (38.6, 198.3, 1000.3), 0.7918, (0.20, 0.36, 0.45)),
    Benchmark("sciq", "SciQ", "sciq", 1000, 0.96, 6.005,
              (0.9380, 0.9700, 0.9710), (97.5, 444.1, 2230.2), 0.9512, (0.53, 0.31, 0.16)),
    Benchmark("social-iqa", "SocialIQA", "social_iqa", 1954, 0.44, 5.096,
              (0.4171, 0.4831, 0.4867), (67.7, 301.8, 1534.3), 0.4558, (0.46, 0.37, 0.18)),
    Benchmark("winogrande", "WinoGrande", "winogrande", 1267, 0.70, 1.870,
              (0.5967, 0.7364, 0.7908), (49.0, 200.5, 1018.4), 0.7322, (0.16, 0.48, 0.36)),
)
# fmt: on
