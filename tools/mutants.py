"""Mutants of the compiled core: changes one line of csrc/ at a time, and sees whether the tests notice.

What is drawn stands in c_faults.py, of headers' inline functions too. What it reaches is compiled (-O1) and meets the C
tests first; one that survives them meets them again under sanitizers, is then linked into an extension of its own and
meets a fast part of the Python tests. What does not compile, or compiles to the same code (-O2), does not count. What
survives all is printed with its place: it is a missing test, or a change that changes nothing, to be judged by hand.

    python tools/mutants.py --sample 60 --seed 1              # a random sample over the core
    python tools/mutants.py --at csrc/loop.c:378              # all mutants of one line
    python tools/mutants.py --files '*.h' --seed 1            # over the headers alone
    python tools/mutants.py --sample 60 --c-only              # the C tests alone: seconds a mutant
    python tools/mutants.py --sample 60 --require 0.95        # exit 1 if fewer are noticed
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import door
from c_faults import Mutant, drawn, members_of, mutants_of

HERE = Path(__file__).resolve().parent.parent
COMPILER = [os.environ.get("CC", "cc"), "-std=c11", "-ffp-contract=off", "-fPIC", "-w", "-DMESSSIM_NO_CLONES"]
DIRECTIVES = "boundscheck=False,wraparound=False,cdivision=True"  # as in setup.py
PYTHON_TESTS = [  # those that compare the engines come first: they notice most
    "test_engine_combinations",
    "test_replica_caches",
    "test_engine_failures",
    "test_engine_rules",
    "test_engine_labels",
    "test_engine_apis",
    "test_engine_chains",
    "test_engine_costs",
    "test_serving_engines",
    "test_dispatch",
    "test_dispatch_many",
    "test_dispatch_rules",
    "test_dispatch_scored",
    "test_own_dispatch",
    "test_sessions",
    "test_fronts",
    "test_split",
    "test_split_equal",
    "test_autoscale",
    "test_autoscale_rules",
    "test_api_limits",
    "test_clients",
    "test_reference_replica",
    "test_replica",
    "test_predictor",
    "test_ledger",
    "test_instances",
    "test_policy",
    "test_policy_arithmetic",
    "test_windows",
    "test_oracles",
    "test_hit_rates",
    "test_metered",
    "test_door",
    "test_engines_equal",
]
# Of each process, as a mutant may loop for ever or take all memory: that is noticed, too. Seconds of the processor,
# however busy the machine is; and of the clock, for one that only waits.
SECONDS_OF_A_TEST, SECONDS_OF_PYTEST, SECONDS_OF_WAITING = 20, 600, 3600
BYTES_OF_A_TEST, BYTES_OF_PYTEST = 4 << 30, 8 << 30
INLINE = re.compile(r"^(?:static inline|MS_INLINE)\b[^;{]*?\b(\w+)\([^;{]*\)\n\{\n.*?^\}", re.M | re.S)


class Bench:
    """A copy of csrc/ with its objects, one program of all its tests, and an extension linked for each mutant."""

    def __init__(self, folder: Path, python: bool) -> None:
        self.folder = folder
        self.pool = ThreadPoolExecutor(os.cpu_count())  # of threads that wait for compilers
        shutil.copytree(HERE / "csrc", folder / "csrc", ignore=shutil.ignore_patterns("build*"))
        self.sources = {p.stem: p for p in sorted((folder / "csrc").glob("*.c"))}
        self.tests = {p.stem: p for p in sorted((folder / "csrc/tests").glob("test_*.c"))}
        (folder / "mutant").mkdir()
        list(self.pool.map(lambda name: self._compile_unit(name, folder), [*self.sources, *self.tests]))
        self.best: dict[str, bytes] = {}  # the code of a file at its best, without a mutant
        (folder / "program.c").write_text(program_of(list(self.tests)))
        self._compile(folder / "program.c", folder / "program.o")
        self._run(["ar", "rcs", folder / "core.a", *self._objects(self.sources)])
        self.seconds = dict.fromkeys(self.tests, 0.0)
        if failing := self._failing_test():
            raise RuntimeError(f"{failing} fails without a mutant")
        if python:
            self._prepare_python()

    def _run(self, command: Sequence[str | Path], **more: object) -> bool:
        done = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)  # type: ignore[call-overload]
        return bool(done.returncode == 0)

    def _compile(self, source: Path, target: Path, flags: Sequence[str] = ()) -> None:
        command = [*COMPILER, "-O1", *flags, f"-I{self.folder / 'csrc'}", "-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True, capture_output=True)

    def _compile_unit(self, name: str, folder: Path) -> None:
        """A file of the core or of its tests, which also lists the headers that it includes."""
        source = self.sources.get(name) or self.tests[name]
        self._compile(source, folder / f"{name}.o", ["-MMD", *([f"-Dmain={name}"] if name in self.tests else [])])

    def _reached(self, mutant: Mutant) -> list[str]:
        """The files that it changes: one of the core, or all that call a header's inline function; the core first."""
        name = Path(mutant.file)
        if name.suffix == ".c":
            return [name.stem]
        header = re.compile(rf"/{re.escape(mutant.file)}\b")
        units = [unit for unit in [*self.sources, *self.tests] if header.search(self._included_by(unit))]
        calls = calls_of(self.folder / "csrc", mutant)
        return [unit for unit in units if calls is None or self._has(unit, calls)]

    def _included_by(self, unit: str) -> str:
        return (self.folder / f"{unit}.d").read_text()

    def _has(self, unit: str, calls: re.Pattern[str]) -> bool:
        """Whether such a call stands in a file, or in a header of tests that it includes."""
        headers = (self.folder / "csrc/tests").glob("*.h")
        beside = [path for path in headers if f"/{path.name}" in self._included_by(unit)]
        source = self.sources.get(unit) or self.tests[unit]
        return any(calls.search(path.read_text()) for path in [source, *beside])

    def _code_of(self, name: str) -> bytes:
        """What the compiler makes of it at its best: mutants with the code of the original are none."""
        target = self.folder / "optimised.o"
        self._compile(self.sources[name], target, ["-O2"])
        return target.read_bytes()

    @contextmanager
    def _written(self, mutant: Mutant) -> Iterator[None]:
        """The file of a mutant has it."""
        source = self.folder / "csrc" / mutant.file
        original = source.read_text()
        lines = original.splitlines()
        lines[mutant.number - 1] = mutant.after
        source.write_text("\n".join(lines) + "\n")
        try:
            yield
        finally:
            source.write_text(original)

    def compile(self, mutant: Mutant) -> bool:
        """Compiles a file that the mutant reaches, for whether the compiler takes it."""
        for old in (self.folder / "mutant").iterdir():
            old.unlink()
        try:
            self._compile_reached(mutant, self._reached(mutant)[:1])
        except subprocess.CalledProcessError:
            return False
        return True

    def _compile_reached(self, mutant: Mutant, names: Iterable[str]) -> None:
        """Compiles those of the files that the mutant reaches and that are not compiled with it yet."""
        folder = self.folder / "mutant"
        left = [name for name in self._reached(mutant) if name in names and not (folder / f"{name}.o").exists()]
        with self._written(mutant):
            list(self.pool.map(lambda name: self._compile_unit(name, folder), left))

    def changes_code(self, mutant: Mutant) -> bool:
        """Whether a mutant is one: the best that the compiler makes of it is not that of the original."""
        reached = [name for name in self._reached(mutant) if name in self.sources]
        for name in reached:
            if name not in self.best:
                self.best[name] = self._code_of(name)
        with self._written(mutant):
            return any(self._code_of(name) != self.best[name] for name in reached)

    def _prepare_python(self) -> None:
        """A package beside the tests whose other files are links to the real ones."""
        package = self.folder / "messsim"
        package.mkdir()
        for path in (HERE / "messsim").iterdir():
            if not path.name.startswith(("_core.cpython", "_core.c", "__pycache__")):
                (package / path.name).symlink_to(path)
        for path in HERE.iterdir():
            if path.name not in {"messsim", "csrc"} and not path.name.startswith("."):
                (self.folder / path.name).symlink_to(path)
        made, beside = self.folder / "core.c", self.folder / "door" / "messsim"  # whose name is the module's
        beside.mkdir(parents=True)
        (beside / "__init__.py").touch()
        shutil.copy(HERE / "messsim/_core.pyx", beside)
        door.write(beside)
        cython = [sys.executable, "-m", "cython", "-3", "-X", DIRECTIVES, beside / "_core.pyx", "-o", made]
        subprocess.run(list(map(str, cython)), check=True, capture_output=True, cwd=HERE)
        self._compile_door()
        self.extension = package / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
        if failing := self._noticed_in_python():
            raise RuntimeError(f"{failing} fails without a mutant")

    def _compile_door(self) -> None:
        """The module around the core, which includes its headers."""
        import numpy

        include = [f"-I{sysconfig.get_path('include')}", f"-I{numpy.get_include()}"]
        self._compile(self.folder / "core.c", self.folder / "core.o", include)

    def _objects(self, names: Iterable[str]) -> list[Path]:
        """Of these files, with the mutant that was compiled where it reaches them."""
        own = self.folder / "mutant"
        return [(own if (own / f"{name}.o").exists() else self.folder) / f"{name}.o" for name in names]

    def noticed_in_c(self, mutant: Mutant) -> str | None:
        """Which C test notices the mutant that was compiled; None if none does."""
        stem = Path(mutant.file).stem
        if mutant.file.endswith(".h") and f"test_{stem}" in self.tests:  # the others take a header's mutants minutes
            names = [f"test_{stem}", *self._needed_by(f"test_{stem}")]
            self._compile_reached(mutant, names)
            if not self._passes_alone(names):
                return f"test_{stem}.c"
        self._compile_reached(mutant, [*self.sources, *self.tests])
        return self._failing_test(stem)

    def _needed_by(self, test: str) -> list[str]:
        """The files of the core that a test makes use of."""
        made = [self.folder / f"{test}.o", self.folder / "core.a", "-lm", "-o", self.folder / "alone"]
        members = self.folder / "members.map"
        command = [COMPILER[0], *made, f"-Wl,--defsym=main={test}", f"-Wl,-Map={members}"]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        return [name for name in self.sources if f"core.a({name}.o)" in members.read_text()]

    def _passes_alone(self, names: list[str]) -> bool:
        """Whether a test, the first of these files, passes with the others."""
        alone, main = self.folder / "alone", f"-Wl,--defsym=main={names[0]}"
        command: list[str | Path] = [COMPILER[0], *self._objects(names), "-lm", main, "-o", alone]
        if not self._run(command):
            raise RuntimeError(f"{names[0]} does not link")
        return self._run([alone], preexec_fn=limit)

    def noticed_by_sanitizers(self, mutant: Mutant) -> str | None:
        """Whether the same tests do where memory is watched, which takes longer."""
        make = ["make", "-s", "-C", f"{self.folder / 'csrc'}", "sanitize", "WARNINGS=-w"]
        with self._written(mutant):
            return None if self._run(make) else "make sanitize"

    def noticed_in_python(self, mutant: Mutant) -> str | None:
        """Which file of Python tests does."""
        if mutant.file.endswith(".c"):
            return self._noticed_in_python()
        with self._written(mutant):
            self._compile_door()
        noticed = self._noticed_in_python()
        self._compile_door()
        return noticed

    def _failing_test(self, file: str = "") -> str | None:
        """The first C test that does not pass, those of a file first, then by the time they take."""
        objects, program = self._objects([*self.tests, *self.sources]), self.folder / "program"
        if not self._run([COMPILER[0], self.folder / "program.o", *objects, "-lm", "-o", program]):
            raise RuntimeError("the tests do not link")
        for test in sorted(self.tests, key=lambda t: (t != f"test_{file}", self.seconds[t], t)):
            before = time.monotonic()
            if not self._run([program, test], preexec_fn=limit):
                return f"{test}.c"
            self.seconds[test] = time.monotonic() - before
        return None

    def _noticed_in_python(self) -> str | None:
        self.extension.unlink(missing_ok=True)
        objects = [self.folder / "core.o", *self._objects(self.sources)]
        if not self._run([COMPILER[0], "-shared", *objects, "-lm", "-o", self.extension]):
            raise RuntimeError("the extension does not link")
        environment = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        files = [f"tests/{test}.py" for test in PYTHON_TESTS]
        command = [sys.executable, "-m", "pytest", "-qx", "-n", "2", "-p", "no:cacheprovider", "--tb=no", *files]
        with subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=limit_pytest,
        ) as pytest:
            try:
                output, _ = pytest.communicate(timeout=SECONDS_OF_WAITING)
            except subprocess.TimeoutExpired:
                os.killpg(pytest.pid, signal.SIGKILL)  # with its workers
                return f"pytest, {SECONDS_OF_WAITING} s"
        if pytest.returncode == 0:
            return None
        failed = re.search(r"^(?:FAILED|ERROR) tests/(\w+\.py)", output, re.M)
        return failed[1] if failed else f"pytest, exit {pytest.returncode}"


def calls_of(folder: Path, mutant: Mutant) -> re.Pattern[str] | None:
    """What calls the inline function of a header that it changes, or another that calls it; None if it is in none."""
    text = (folder / mutant.file).read_text()
    begins = len("\n".join(text.split("\n")[: mutant.number - 1])) + 1
    names = {m[1] for m in INLINE.finditer(text) if m.start() <= begins < m.end()}
    functions = [m for path in sorted(folder.glob("*.h")) for m in INLINE.finditer(path.read_text())]
    calls = None
    while names:
        calls = re.compile(rf"\b(?:{'|'.join(sorted(names))})\b")
        callers = {m[1] for m in functions if m[1] not in names and calls.search(m[0])}
        if not callers:
            break
        names |= callers
    return calls


def limit() -> None:
    """What a program of C tests may use."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_OF_A_TEST, SECONDS_OF_A_TEST))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES_OF_A_TEST, BYTES_OF_A_TEST))


def limit_pytest() -> None:
    """What a process of pytest may use; memory that is only reserved, as for charts, does not count."""
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS_OF_PYTEST, SECONDS_OF_PYTEST))
    resource.setrlimit(resource.RLIMIT_DATA, (BYTES_OF_PYTEST, BYTES_OF_PYTEST))


def program_of(tests: Sequence[str]) -> str:
    """A program that runs the test file whose name it is given, for all of them to be linked at once."""
    declared = "".join(f"int {name}(void);\n" for name in tests)
    calls = "".join(f'    if (strcmp(argv[1], "{name}") == 0) return {name}();\n' for name in tests)
    main = f"int main(int argc, char **argv)\n{{\n    (void)argc;\n{calls}    return 2;\n}}\n"
    return f"#include <string.h>\n{declared}{main}"


def asked_for(options: argparse.Namespace) -> Iterator[Mutant]:
    """The mutants that the command line asks for, in the order in which they are tried."""
    members = members_of(HERE / "csrc")
    if options.at:
        file, number = options.at.removeprefix("csrc/").split(":")
        yield from (m for m in mutants_of(HERE / "csrc" / file, members) if m.number == int(number))
        return
    paths = sorted({path for names in options.files.split(",") for path in (HERE / "csrc").glob(names)})
    every = [mutant for path in paths for mutant in mutants_of(path, members)]
    kinds = options.kinds.split(",") if options.kinds else []
    yield from drawn([m for m in every if not kinds or m.kind in kinds], random.Random(options.seed))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=60, help="how many, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--files", default="*.[ch]", help="of csrc/, such as loop.c,autoscale*.c")
    parser.add_argument("--kinds", default="", help="such as term,condition; all if not given")
    parser.add_argument("--at", help="all mutants of one line, such as csrc/loop.c:378")
    parser.add_argument("--c-only", action="store_true", help="leaves the Python tests out")
    parser.add_argument("--require", type=float, default=0.0, help="share that must be noticed")
    options = parser.parse_args()
    survivors, tried, started = [], 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        bench = Bench(Path(folder), not options.c_only)
        for mutant in filter(bench.compile, asked_for(options)):
            noticed = bench.noticed_in_c(mutant)
            if not noticed and not bench.changes_code(mutant):
                continue
            noticed = noticed or bench.noticed_by_sanitizers(mutant)
            if not noticed and not options.c_only:
                noticed = bench.noticed_in_python(mutant)
            print(f"{time.monotonic() - started:6.0f} s  {noticed or 'SURVIVED':24s} {mutant}", flush=True)
            survivors += [] if noticed else [mutant]
            tried += 1
            if tried == options.sample and not options.at:
                break
    share = 1.0 - len(survivors) / tried if tried else 1.0
    print(f"{tried - len(survivors)} of {tried} noticed ({share:.1%}); survivors:", *survivors, sep="\n")
    return 0 if share >= options.require else 1


if __name__ == "__main__":
    sys.exit(main())
