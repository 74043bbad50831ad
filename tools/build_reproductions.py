"""Write the tables of docs/paper.md and the tables and pictures of docs/theory.md: some minutes.

    python tools/build_reproductions.py

What stands between ``<!-- table: NAME -->`` and ``<!-- end -->`` is replaced; the prose around it is left alone.
"""

from build_accuracy import DOCS, spliced

from messsim.report.reproduce.paper import cost_table, paper_table, provider_table
from messsim.report.reproduce.theory import slope_table
from messsim.report.reproduce.theory_plots import theory_svg
from messsim.study.reproduce.benchmarks import reproduce_paper
from messsim.study.reproduce.theory import reproduce_theory


def main() -> None:
    """Reproduce paper and theory as the command does by default."""
    paper, theory = reproduce_paper(), reproduce_theory()
    texts = {"paper": paper_table(paper), "provider": provider_table(paper), "cost": cost_table(paper)}
    texts["slopes"] = slope_table(theory)
    for page in (DOCS / "paper.md", DOCS / "theory.md"):
        page.write_text(spliced(page.read_text(encoding="utf-8"), texts), encoding="utf-8")
    (DOCS / "theory").mkdir(exist_ok=True)
    for name, svg in theory_svg(theory).items():
        (DOCS / "theory" / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(f"price {theory['price']:.4g} J, optimum {theory['optimum']:.4g} J, floor {theory['gap']['floor_j']:.3g} J")


if __name__ == "__main__":
    main()
