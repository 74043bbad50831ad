"""What makes two studies the same, and what of a study's directory is never taken for a run."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy
import pytest
import tomli_w
from builders import scenario

import messsim
from messsim.errors import OutputError
from messsim.routing.imports import is_beside, modules_beside
from messsim.scenario import load, parse
from messsim.study.runs import journal as journals
from messsim.study.runs.identity import contents, difference
from messsim.study.runs.pictures import add_pictures
from messsim.study.runs.summaries import local_workers
from messsim.study.sweep import sweep

V = [{"router.V": 1e-3}, {"router.V": 1e-1}]


def run(settings, points, **more):
    return sweep(settings, points, **{"seeds": 1, "workers": local_workers(1)} | more)


def traced(folder, **changes):
    for name, rows in (("a.csv", "0\n1\n2\n"), ("b.csv", "0\n5\n9\n")):
        (folder / name).write_text("arrival_s\n" + rows)
    return parse(scenario(arrivals={"kind": "trace", "file": "a.csv"}, **changes), folder=folder)


def test_files_that_exchange_their_contents_make_another_study(tmp_path):
    data, points = traced(tmp_path), [{"arrivals.file": "a.csv"}, {"arrivals.file": "b.csv"}]
    run(data, points, out=tmp_path / "o")
    a, b = (tmp_path / name for name in ("a.csv", "b.csv"))
    a_text, b_text = a.read_text(), b.read_text()
    a.write_text(b_text)
    b.write_text(a_text)
    with pytest.raises(OutputError) as error:
        run(data, points, out=tmp_path / "o", seeds=3)
    named = "changed: arrivals.file = a.csv, arrivals.file = b.csv; expected another directory"
    assert f"differs in its data files; {named}" in str(error.value)
    a.write_text(a_text)
    b.write_text(b_text)
    assert run(data, points, out=tmp_path / "o")["resumed"] == 2


def test_own_profiles_that_exchange_their_figures_make_another_study(tmp_path):
    parsed = parse(scenario(), folder=tmp_path)
    points = [{"models.0.profile": f"{name}.toml"} for name in "ab"]
    figures = ["[coefficients]\na0_s = 0.5\n", "[coefficients]\na0_s = 1.5\n"]

    def written(first, second):
        (tmp_path / "a.toml").write_text(first)
        (tmp_path / "b.toml").write_text(second)

    written(*figures)
    run(parsed, points, out=tmp_path / "o")
    written(*reversed(figures))
    with pytest.raises(OutputError, match=r"differs in its data files; changed: profile of small at models.0.profile"):
        run(parsed, points, out=tmp_path / "o")


def test_modules_that_a_policy_imports_count(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "policy.py").write_text("import helper, math\nfrom own.deep import f\ndef build():\n    import late\n")
    (tmp_path / "helper.py").write_text("from importlib import import_module\nimport_module('named')\nimport policy\n")
    (tmp_path / "own" / "__init__.py").write_text("")
    (tmp_path / "own" / "deep.py").write_text("from . import beside\nfrom .other import g\n")
    for name in ("own/beside", "own/other", "own/unused", "late", "named", "unused", "broken"):
        (tmp_path / f"{name}.py").write_text("(" if name == "named" else "")
    names = ["helper.py", "late.py", "named.py", *(f"own/{n}.py" for n in ("__init__", "beside", "deep", "other"))]
    assert [str(p.relative_to(tmp_path)) for p in modules_beside(tmp_path / "policy.py")] == names
    assert modules_beside(tmp_path / "nowhere.py") == []


def test_a_study_of_a_policy_is_that_of_its_helpers(tmp_path):
    (tmp_path / "helper.py").write_text("K = 0\n")
    (tmp_path / "own.py").write_text("import helper\nfrom messsim.routing.simple import random as build\n")
    parsed = parse(scenario(router={"policy": "own.py"}), folder=tmp_path)
    before = contents("sweep", parsed, V, [parsed, parsed])
    assert list(before["data files"]) == ["router.policy = own.py", "router.policy imports = helper.py"]
    (tmp_path / "helper.py").write_text("K = 1\n")
    after = contents("sweep", parsed, V, [parsed, parsed])
    assert [part for part in before if before[part] != after[part]] == ["data files"]


def test_a_policy_that_is_a_link_imports_from_beside_its_target(tmp_path):
    """There is where Python looks: the file is loaded by its real path."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "helper.py").write_text("K = 0\n")
    (tmp_path / "shared" / "own.py").write_text("import helper\nfrom messsim.routing.simple import random as build\n")
    (tmp_path / "link.py").symlink_to(Path("shared") / "own.py")
    parsed = parse(scenario(router={"policy": "link.py"}), folder=tmp_path)
    before = contents("sweep", parsed, V, [parsed, parsed])
    (tmp_path / "shared" / "helper.py").write_text("K = 1\n")
    after = contents("sweep", parsed, V, [parsed, parsed])
    assert difference(after, before).startswith("data files; changed: router.policy imports = shared/helper.py")


def test_messsim_itself_is_no_module_beside_a_policy(tmp_path, monkeypatch):
    """Which it would be for a policy in the repository's root: the version says which messsim it is."""
    (tmp_path / "messsim").mkdir()
    (tmp_path / "messsim" / "__init__.py").touch()
    (tmp_path / "own.py").write_text("import messsim\n")
    assert modules_beside(tmp_path / "own.py") == [tmp_path / "messsim" / "__init__.py"]  # somebody's of that name
    monkeypatch.setattr("messsim.routing.imports.PACKAGE", tmp_path / "messsim")
    assert modules_beside(tmp_path / "own.py") == []


@pytest.mark.parametrize(
    ("helper", "decide_and_build"),
    [
        (
            "helper_of_a_notebook",
            "from helper_of_a_notebook import K\n"
            "def decide(models):\n    return K\n"
            "def build(options, models, features):\n    return compile_policy('own', decide)\n",
        ),
        (
            "late_helper",
            "def decide(params):\n    return int(params[0])\n"
            "def build(options, models, features):\n    from late_helper import K\n"
            "    return compile_policy('own', decide, params=[K])\n",
        ),
    ],
)
def test_a_helper_that_changes_while_python_runs_is_read_again(tmp_path, helper, decide_and_build):
    """What a study says it ran and what it ran are the same, in a notebook too, and where `build` imports."""
    (tmp_path / f"{helper}.py").write_text("K = 0\n")
    (tmp_path / "own.py").write_text(
        "import os, sys\nsys.path.insert(0, os.path.dirname(__file__))\n"
        f"from messsim.routing.plugin import compile_policy\n{decide_and_build}"
    )
    parsed = parse(scenario(requests=30, router={"policy": "own.py"}), folder=tmp_path)
    answered = []
    for k in (0, 1, 0):
        (tmp_path / f"{helper}.py").write_text(f"K = {k}\n")
        answered.append([m["answered"] for m in messsim.run(parsed).summary["models"]])
    assert answered == [[30, 0], [0, 30], [30, 0]]


def damage(kind, lines):
    first = json.loads(lines[0])
    return {
        "no UTF-8": b"\xff\xfe\n",
        "a text": b'"row"\n',
        "empty": b"{}\n",
        "deep": b"[" * 100_000 + b"\n",
        "no replication": json.dumps({k: v for k, v in first.items() if k != "replication"}).encode() + b"\n",
        "another point": json.dumps(first | {"point": 1}).encode() + b"\n",
        "no such point": json.dumps(first | {"point": 7}).encode() + b"\n",
        "more keys": json.dumps(first | {"more": 1}).encode() + b"\n",
        "another figure": json.dumps(first | {"row": first["row"] | {"sla_satisfaction": 0.9}}).encode() + b"\n",
        "an empty row": json.dumps(first | {"row": {}}).encode() + b"\n",
        "no check": json.dumps({k: v for k, v in first.items() if k != "check"}).encode() + b"\n",
        "twice": lines[0] + lines[0],
    }[kind]


KINDS = ["no UTF-8", "a text", "empty", "deep", "no replication", "another point", "no such point", "more keys"]
KINDS += ["another figure", "an empty row", "no check", "twice"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "o"
    run(parse(scenario()), V, out=out)
    return out


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_row_is_refused(finished, kind):
    rows = finished / "rows.jsonl"
    whole = rows.read_bytes()
    lines = whole.splitlines(keepends=True)
    damaged = damage(kind, lines) + lines[1]
    rows.write_bytes(damaged)
    try:
        with pytest.raises(OutputError, match=r"rows\.jsonl: line [12] (is damaged|repeats).*its run is made again$"):
            run(parse(scenario()), V, out=finished)
        assert rows.read_bytes() == damaged
    finally:
        rows.write_bytes(whole)


def test_a_row_of_another_study_is_refused(finished, tmp_path):
    run(parse(scenario(seed=2)), V, out=tmp_path / "o")
    rows = tmp_path / "o" / "rows.jsonl"
    rows.write_bytes((finished / "rows.jsonl").read_bytes())
    with pytest.raises(OutputError, match=r"line 1 is damaged, or of another study"):
        run(parse(scenario(seed=2)), V, out=tmp_path / "o")


# ---- full disks -----------------------------------------------------------------------------------------


def test_a_disk_that_fills_up_keeps_what_is_there(tmp_path, monkeypatch):
    """Half a line is written before the disk is full: it is cut off, and the study goes on from there."""
    real, calls = journals._write, []

    def full(opened, line):
        calls.append(line)
        if len(calls) == 2:
            opened.write(line[:20])
            raise OSError(28, "No space left on device")
        real(opened, line)

    monkeypatch.setattr(journals, "_write", full)
    parsed, out = parse(scenario()), tmp_path / "o"
    with pytest.raises(OutputError) as error:
        run(parsed, V, out=out)
    kept = "its finished runs are kept; 1 of 2 runs are kept: the same command goes on from there"
    assert str(error.value) == f"{out}: cannot be written: No space left on device; {kept}"
    assert (out / "rows.jsonl").read_bytes() == calls[0]
    monkeypatch.undo()
    assert run(parsed, V, out=out)["resumed"] == 1


def test_a_disk_that_is_full_at_the_end_keeps_the_runs(tmp_path, monkeypatch):
    """The rows are there; the table of them finds no room."""

    def full(frame, path):
        raise OSError(28, "No space left on device")

    out = tmp_path / "o"
    monkeypatch.setattr(journals, "write_parquet", full)
    with pytest.raises(OutputError) as error:
        run(parse(scenario()), V, out=out)
    kept = "its finished runs are kept: the same command goes on from there"
    assert str(error.value) == f"{out / 'results.parquet'}: cannot be written: No space left on device; {kept}"
    monkeypatch.undo()
    assert run(parse(scenario()), V, out=out)["resumed"] == 2


FULL = """
import resource, sys
from messsim.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
sys.argv = ["messsim", *{args!r}]
main()
"""


@pytest.mark.parametrize("study", [["sweep", "--grid", "router.V=1,2"], ["plan", "--replicas", "small=1..2"]])
def test_a_disk_that_is_full_at_the_start_is_an_error(tmp_path, study):
    file, out = tmp_path / "s.toml", tmp_path / "o"
    file.write_text(tomli_w.dumps(scenario()))
    args = [study[0], str(file), *study[1:], "--seeds", "2", "--workers", "1", "--out", str(out)]
    if study[0] == "plan":
        args += ["--require", "latency_s.ttft.p95<100", "--objective", "energy"]
    done = subprocess.run([sys.executable, "-c", FULL.format(args=args)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {out}: cannot be written: ")
    assert done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["s.toml"]


# ---- pictures, forks, scripts ---------------------------------------------------------------------------


def test_a_picture_that_fails_is_a_note(tmp_path):
    def draw():
        raise ValueError("no ink")

    assert add_pictures(tmp_path, "x.svg", draw) == ["no x.svg: no ink"]
    assert add_pictures(tmp_path, "x.svg", lambda: {"x.svg": b"<svg/>"}) == []
    assert [p.name for p in tmp_path.iterdir()] == ["x.svg"]


FORK = """
import os, sys, messsim
said = messsim.load({file!r})
messsim.run(said)
child = os.fork()
if child == 0:
    try:
        messsim.run(said)
    except messsim.errors.SimulationError as error:
        print(error, flush=True)
        os._exit(0)
    os._exit(1)
sys.exit(os.waitpid(child, 0)[1] != 0)
"""

FORKING = ["-W", "ignore::DeprecationWarning"]  # from Python 3.12 on a fork is warned of

SCRIPT = """
import messsim
from messsim.study.sweep import sweep
from messsim.study.runs.summaries import local_workers
said = messsim.load({file!r})
{guard}sweep(said, [{{"router.V": 1.0}}], seeds=2, workers=local_workers(2))
"""


def script(tmp_path, text, *, stdin=False, **values):
    (tmp_path / "s.toml").write_text(tomli_w.dumps(scenario()))
    code = text.format(file=str(tmp_path / "s.toml"), **values)
    (tmp_path / "script.py").write_text(code)
    command = [sys.executable, *FORKING, *([] if stdin else [str(tmp_path / "script.py")])]
    return subprocess.run(
        command, input=code if stdin else None, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_fork_after_a_run_is_told(tmp_path):
    done = script(tmp_path, FORK.replace("import os, sys, messsim", "import os, sys, messsim, messsim.errors"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "this process was forked from one that had simulated or read data before" in done.stdout
    assert 'multiprocessing.get_context("spawn")' in done.stdout


def test_a_script_without_a_guard_is_told(tmp_path):
    done = script(tmp_path, SCRIPT, guard="")
    assert done.returncode == 1
    assert 'expected the call under `if __name__ == "__main__":`, or workers=1' in done.stderr.splitlines()[-1]
    assert script(tmp_path, SCRIPT, guard='if __name__ == "__main__": ').returncode == 0


def test_a_process_that_another_thread_waits_for_tells_its_exit_code(tmp_path):
    # The pool's own thread takes the exit code from the system first, and is slow to note it down.
    slow = """
import os, threading, time
wait = os.waitpid
def waitpid(pid, options):
    first = threading.current_thread() is not threading.main_thread()
    time.sleep(0.0 if first else 0.5)
    done = wait(pid, options)
    time.sleep(1.5 if first and done[0] else 0.0)
    return done
os.waitpid = waitpid
"""
    done = script(tmp_path, slow + SCRIPT, guard="")
    assert 'expected the call under `if __name__ == "__main__":`, or workers=1' in done.stderr.splitlines()[-1]


def test_a_process_that_dies_while_the_next_is_started_tells_its_exit_code(tmp_path):
    # The pool has closed by then what it would hand over to the next.
    late = """
import multiprocessing.popen_spawn_posix as spawned
import multiprocessing, time
launch = spawned.Popen._launch
def after_the_first(self, process):
    if process.name.endswith("-2"):
        while any(p.exitcode is None for p in multiprocessing.active_children()):
            time.sleep(0.05)
        time.sleep(0.5)
    launch(self, process)
spawned.Popen._launch = after_the_first
"""
    done = script(tmp_path, late + SCRIPT, guard="")
    assert 'expected the call under `if __name__ == "__main__":`, or workers=1' in done.stderr.splitlines()[-1]


def test_a_script_from_standard_input_is_told(tmp_path):
    done = script(tmp_path, SCRIPT, guard="", stdin=True)
    assert done.returncode == 1
    assert "there is no file <stdin>; expected the script in a file, or workers=1" in done.stderr.splitlines()[-1]


def test_a_scenario_that_moved_has_the_same_identity(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        traced(tmp_path / name)
        data = scenario(arrivals={"kind": "trace", "file": "a.csv"})
        (tmp_path / name / "s.toml").write_text(tomli_w.dumps(data))
    first, second = (load(tmp_path / name / "s.toml") for name in "ab")
    assert contents("sweep", first, [{}], [first]) == contents("sweep", second, [{}], [second])


def test_a_study_that_starts_from_labels_is_that_of_their_file(tmp_path):
    (tmp_path / "labels.csv").write_text("a\n")
    parsed = parse(scenario(router={"predictor": {"warm_start": "labels.csv"}}), folder=tmp_path)
    before = contents("sweep", parsed, [{}], [parsed])
    assert list(before["data files"]) == ["router.predictor.warm_start = labels.csv"]
    (tmp_path / "labels.csv").write_text("b\n")
    assert difference(contents("sweep", parsed, [{}], [parsed]), before).endswith("warm_start = labels.csv")


OF_A_HELPER = """
from helper import K
from messsim.routing.plugin import compile_policy
def decide(models):
    return K
def build(options, models, features):
    return compile_policy('own', decide)
"""
OF_A_LATE_HELPER = """
from messsim.routing.plugin import compile_policy
def decide(params):
    return int(params[0])
def prepare(kernel, knowledge):
    from package.inner import K
    kernel.params[0] = K
def build(options, models, features):
    from package import inner
    return compile_policy('own', decide, params=[1 - inner.K], prepare=prepare)
"""

IMPORTS = {
    "of a folder without __init__.py": "from util import consts\nK = consts.K",
    "by a star": "from star import *\nK = inner.K",
    "by a computed name": "from importlib import import_module\nK = import_module('hid' + 'den').K",
    "by a computed name of a package": "from importlib import import_module\nK = import_module('ut' + 'il.consts').K",
    "from a folder that the file adds": "import os, sys\nsys.path.insert(0, os.path.dirname(__file__) + '/lib')\n"
    "from added import K",
}


@pytest.mark.parametrize(
    "own",
    [
        OF_A_HELPER,
        OF_A_LATE_HELPER,
        *(pytest.param(OF_A_HELPER.replace("from helper import K", t), id=name) for name, t in IMPORTS.items()),
    ],
)
def test_policies_of_two_folders_have_each_their_own_helpers(tmp_path, monkeypatch, own):
    """Modules of one name: that of the other folder was taken for both. Nobody need write to `sys.path`."""
    monkeypatch.setitem(sys.modules, "helper", elsewhere := ModuleType("helper"))  # a notebook's
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = [*sys.path]
    for k, folder in enumerate(("a", "b")):
        for name in ("package", "star", "util", "lib"):
            (tmp_path / folder / name).mkdir(parents=True)
        (tmp_path / folder / "package" / "__init__.py").touch()
        (tmp_path / folder / "star" / "__init__.py").write_text("__all__ = ['inner']\n")
        for name in ("helper", "hidden", "package/inner", "star/inner", "util/consts", "lib/added"):
            (tmp_path / folder / f"{name}.py").write_text(f"K = {k}\n")
        (tmp_path / folder / "own.py").write_text(own)
    parsed = parse(scenario(requests=30), folder=tmp_path)
    answered = [
        [m["answered"] for m in messsim.run(parsed.changed(policy=f"{folder}/own.py")).summary["models"]]
        for folder in ("a", "b", "a")
    ]
    assert answered == [[30, 0], [0, 30], [30, 0]]
    assert sys.modules["helper"] is elsewhere
    assert not {"package", "star", "star.inner", "util", "util.consts", "hidden", "added"} & sys.modules.keys()
    assert [entry for entry in sys.path if not entry.endswith("/lib")] == before


@pytest.mark.parametrize("with_record", [True, False])
def test_a_policy_may_lie_beside_installed_packages(tmp_path, with_record):
    """As by `pip install --target`: NumPy cannot be loaded twice in one process."""
    source = Path(numpy.__file__).parent
    (tmp_path / "numpy").symlink_to(source)
    if with_record:
        record = source.parent / f"numpy-{numpy.__version__}.dist-info"
        (tmp_path / record.name).symlink_to(record)
    (tmp_path / "own.py").write_text(
        OF_A_HELPER.replace("from helper import K", "import numpy as np\nK = int(np.pi) - 2")
    )
    parsed = parse(scenario(requests=30, router={"policy": "own.py"}), folder=tmp_path)
    assert [m["answered"] for m in messsim.run(parsed).summary["models"]] == [0, 30]
    assert sys.modules["numpy"] is numpy


def test_installed_packages_are_one_for_all_policies(tmp_path, monkeypatch):
    """What compiled code they have may refuse to be loaded again, and their classes are one another's."""
    for name in ("first_installed", "second_installed"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}-1.dist-info").mkdir()
        (tmp_path / f"{name}-1.dist-info" / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (tmp_path / f"{name}-1.dist-info" / "RECORD").write_text(f"{name}/__init__.py,,\n")
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("users = []\n")
    text = "import first_installed\nfrom importlib import import_module\nK = len(first_installed.users)\n"
    text += "first_installed.users.append(import_module('second' + '_installed'))"
    for name in ("own", "other"):
        (tmp_path / f"{name}.py").write_text(OF_A_HELPER.replace("from helper import K", text))
    parsed = parse(scenario(requests=30), folder=tmp_path)
    answered = [
        [m["answered"] for m in messsim.run(parsed.changed(policy=f"{name}.py")).summary["models"]]
        for name in ("own", "other")
    ]
    assert answered == [[30, 0], [0, 30]]
    first, second = (sys.modules.pop(f"{name}_installed") for name in ("first", "second"))
    assert first.users == [second, second]


def test_what_lies_in_a_folder_but_is_pythons_is_not_beside_a_policy(tmp_path):
    """A project's folder has its .venv, which messsim runs in."""
    module = ModuleType("m")
    assert not is_beside(tmp_path, module)
    module.__file__ = str(tmp_path / "lib" / "m.py")
    assert is_beside(tmp_path, module)
    assert not is_beside(tmp_path / "other", module)
    assert is_beside(Path("/"), module)
    assert not is_beside(Path("/"), json)
    assert not is_beside(Path("/"), pytest)


def test_another_messsim_beside_a_policy_is_not_loaded(tmp_path):
    """A file in a clone of the repository: its `Policy` would be no `Policy` of the messsim that runs."""
    (tmp_path / "messsim").mkdir()
    (tmp_path / "messsim" / "__init__.py").touch()
    (tmp_path / "own.py").write_text(OF_A_HELPER.replace("from helper import K", "import messsim\nK = 1"))
    parsed = parse(scenario(requests=30, router={"policy": "own.py"}), folder=tmp_path)
    assert [m["answered"] for m in messsim.run(parsed).summary["models"]] == [0, 30]
    assert sys.modules["messsim"] is messsim
