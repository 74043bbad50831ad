"""What each command's report looks like on a terminal, with its colours and empty lines, as `screens.txt` has it.

`python tests/test_terminal_screens.py` writes the file anew: what changes in it was meant to, or is a fault.
"""

import io
from pathlib import Path

from rich.console import Console
from runs import summary_by_hand, tenant_by_hand
from test_challenge_words import CELL, cell, challenge
from test_evidence_words import IMPORTED, REPLAYED, paper, verified
from test_hardware_words import fitted
from test_plan_words import judged, of, plan
from test_report_tables import CONVERGED, FIRST, SECOND, compared
from test_run_lines import CHECKED, POOL, PROMISE, snapshot
from test_run_words import EXPLAINED
from test_terminal_tables import replicated, swept

from messsim.report.challenge.tables import challenge_tables
from messsim.report.compare.comparison import comparison_tables
from messsim.report.compare.fleets import fleet_tables
from messsim.report.convergence import convergence_table
from messsim.report.hardware.calibration import calibration
from messsim.report.logs.importing import import_summary, outcomes_summary
from messsim.report.logs.replay import replayed
from messsim.report.plan.answer import plan_tables
from messsim.report.reproduce.paper import paper_tables
from messsim.report.run.checklist import checklist
from messsim.report.run.explanation import explanation
from messsim.report.run.live import dashboard
from messsim.report.run.summary import run_summary
from messsim.report.study.points import sweep_table
from messsim.report.study.replications import replication_table
from messsim.report.study.requirements import requirement_table
from messsim.report.verification import verification

FILE = Path(__file__).parent / "screens.txt"
JUDGED = {"requirement": "a<2", "value": 1.5, "margin": 0.5, "met": True, "reason": None}
FLEETS = {"scenario": "s", "requirements": ["a<1"], "unit": "USD/h", "cost_unit": "USD"}
NONE = {"policy": "random", "plan": {"best": None, "status": "failed", "assumptions": ["an assumption"]}}
TENANTS = [tenant_by_hand("a"), tenant_by_hand("b", satisfaction=0.4, margin=-0.1)]
FAILURE = {"error": "bad day.", "point": {"router.V": 0.5}, "replication": 1}
BAD_POOL = POOL | {"load": 1.2, "peak_load": 1.3, "energy_measured": False}


def screens():
    best = of(5.0, judged(), gpus=1006)
    blind = fitted(notes=["a note"], left_out=3, not_determined=["c0_s_per_token"], measure_next=["prompts"])
    return {
        "run": run_summary(summary_by_hand(), ["a note"]),
        "run, missed": run_summary(summary_by_hand(tenants=TENANTS, **{"sla.kept": False}), []),
        "check": checklist(CHECKED | {"notes": ["a note"], "other_problems": ["a problem"]}),
        "check, alarmed": checklist(CHECKED | {"pools": [BAD_POOL], "promises": [PROMISE | {"reachable": False}]}),
        "explain": explanation(EXPLAINED),
        "show": dashboard(snapshot()),
        "compare": comparison_tables(compared(FIRST, SECOND)),
        "compare --fleets": fleet_tables(FLEETS | {"replications": 1, "policies": [NONE]}),
        "converge": convergence_table(CONVERGED),
        "replicate": replication_table(replicated(precision=0.05, of=["a"], precise=False)),
        "sweep": sweep_table(swept(failures=[FAILURE]), ["messsim", "run", "s.toml"]),
        "--require": requirement_table([JUDGED, JUDGED | {"met": False}]),
        "plan": plan_tables(plan(best, of(6.0, judged(None), verdict="failed"), best=best)),
        "plan, none": plan_tables(plan()),
        "challenge": challenge_tables(challenge(cells=[CELL, cell(policy="b", error="it divides by zero")])),
        "import": import_summary(IMPORTED),
        "import, outcomes": outcomes_summary(1234, {"8b": 0.6}, ["a note"]),
        "replay": replayed(REPLAYED),
        "calibrate": calibration(blind),
        "calibrate, no memory": calibration(fitted(kv_capacity_tokens=None)),
        "reproduce paper": paper_tables(paper() | {"data": "here", "missing": ["a"]}),
        "verify": verification(verified({}, {"passed": False, "agrees": False})),
        "verify, slower": verification(verified({"agrees": False}, slow_server=1.02)),
    }


def text():
    parts = []
    for name, screen in screens().items():
        console = Console(
            file=io.StringIO(), width=160, force_terminal=True, color_system="standard", legacy_windows=False
        )
        console.print(screen)
        lines = console.file.getvalue().replace("\x1b[", "«").splitlines()
        parts.append("\n".join([f"# {name}", *(line.rstrip() for line in lines)]))
    return "\n\n".join(parts) + "\n"


def test_reports_look_as_they_were_looked_at():
    assert text().splitlines() == FILE.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
