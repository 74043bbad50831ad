"""Mutants of the compiled core: changes one line of csrc/ at a time, and sees whether the tests notice.

Each mutant is compiled alone (-O1) and meets the C tests first; one that survives them is linked into an extension of
its own and meets a fast part of the Python tests. What survives both is printed with its place: each is a missing test,
or a change that changes nothing, to be judged by hand.

    python tools/mutants.py --sample 60 --seed 1              # a random sample over the core
    python tools/mutants.py --at csrc/loop.c:378              # all mutants of one line
    python tools/mutants.py --sample 60 --require 0.95        # exit 1 if fewer are noticed
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
CORE = sorted(path.stem for path in (HERE / "csrc").glob("*.c"))
COMPILER = [os.environ.get("CC", "cc"), "-std=c11", "-O1", "-ffp-contract=off", "-fPIC", "-w"]
PYTHON_TESTS = [
    "test_engine_failures",
    "test_engine_apis",
    "test_engine_rules",
    "test_engine_chains",
    "test_engine_labels",
    "test_engine_costs",
    "test_clients",
    "test_reference_replica",
    "test_replica",
    "test_predictor",
    "test_ledger",
    "test_instances",
    "test_policy",
    "test_windows",
    "test_oracles",
    "test_dispatch",
    "test_autoscale",
    "test_replica_caches",
    "test_serving_engines",
    "test_sessions",
    "test_api_limits",
    "test_engine_combinations",
    "test_engines_equal",
]
SECONDS_OF_A_TEST, SECONDS_OF_PYTEST = 60, 900  # a mutant may loop for ever: that is noticed too

# Each of them once at each place where it matches; \b and blanks keep ->, <<, >= and pointers out.
OPERATORS = (
    (r" < ", (" <= ", " > ")),
    (r" <= ", (" < ",)),
    (r" > ", (" >= ", " < ")),
    (r" >= ", (" > ",)),
    (r" == ", (" != ",)),
    (r" != ", (" == ",)),
    (r" && ", (" || ",)),
    (r" \|\| ", (" && ",)),
    (r" \+ ", (" - ",)),
    (r" - ", (" + ",)),
    (r" \* (?=[a-z(0-9])", (" / ",)),
    (r" / ", (" * ",)),
    (r" \+= ", (" -= ", " = ")),
    (r" -= ", (" += ",)),
    (r" \|= ", (" = ",)),
    (r"\+\+", ("--",)),
    (r"(?<!-)--(?!-)", ("++",)),
    (r"(?<=[ (\[])1(?=[;,) \]])", ("0", "2")),
    (r"(?<=[ (\[])0(?=[;,) \]])", ("1",)),
    (r"(?<=[ (])0\.0(?=[;,) ])", ("1.0",)),
    (r"(?<=[ (])1\.0(?=[;,) ])", ("0.0",)),
    (r" << 16", ("",)),
    (r"\bINFINITY\b", ("0.0",)),
)
CONDITION = re.compile(r"^(\s*(?:\} else )?(?:if|while) )\((.*)\) \{$")
NO_STATEMENT = r"\(void\)|return\b|break\b|continue\b|const\b|static\b|goto\b|case\b|default\b|else\b"
LEAKS = r"\w*free\("  # the sanitizers' business: nothing else shows
STATEMENT = re.compile(rf"^\s+(?=\S)(?!{NO_STATEMENT}|{LEAKS})[^={{}}#]*[^{{}}#]*;$")
DECLARATION = re.compile(
    r"^\s+(?:const |static |struct |enum |unsigned )?[a-z_0-9]+(?: const)? [*a-z_]+[^(]*(?: =|;|,|\[)"
)


@dataclass(frozen=True)
class Mutant:
    """Line `number` (from 1) of csrc/`file`.c, and what stands there instead."""

    file: str
    number: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"csrc/{self.file}.c:{self.number}: {self.before.strip()}  ->  {self.after.strip() or '(nothing)'}"


def mutants_of(file: str) -> Iterator[Mutant]:
    """All mutants of one file."""
    commented = False
    for number, line in enumerate((HERE / "csrc" / f"{file}.c").read_text().splitlines(), 1):
        starts_commented = commented
        commented = "*/" not in line if commented else "/*" in line and "*/" not in line
        code = re.sub(r"\s*/\*.*$", "", line)
        if starts_commented or not code.strip() or code.lstrip().startswith(("#", "static const ms_", "extern")):
            continue
        for after in dict.fromkeys(_changes(code)):
            yield Mutant(file, number, code, after)


def _changes(code: str) -> Iterator[str]:
    if code.startswith((" ", "\t")):  # bodies; signatures and tables stay
        for pattern, others in OPERATORS:
            for match in re.finditer(pattern, code):
                for other in others:
                    yield code[: match.start()] + other + code[match.end() :]
        if condition := CONDITION.match(code):
            yield f"{condition[1]}(!({condition[2]})) {{"
        if STATEMENT.match(code) and not DECLARATION.match(code):
            yield re.match(r"\s*", code)[0] + ";"  # type: ignore[index]


class Bench:
    """A copy of csrc/ with its objects, tests, and an extension that is linked anew for each mutant."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(HERE / "csrc", folder / "csrc", ignore=shutil.ignore_patterns("build*"))
        self.sources = {p.stem: p for p in sorted((folder / "csrc").glob("*.c"))}
        self.tests = {p.stem: p for p in sorted((folder / "csrc/tests").glob("test_*.c"))}
        for name, path in (self.sources | self.tests).items():
            self._compile(path, folder / f"{name}.o", ["-DMESSSIM_NO_CLONES"])
        self._prepare_python()

    def _run(self, command: Sequence[str | Path], **more: object) -> bool:
        done = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)  # type: ignore[call-overload]
        return bool(done.returncode == 0)

    def _compile(self, source: Path, target: Path, flags: Sequence[str] = ()) -> None:
        command = [
            *COMPILER,
            "-DMESSSIM_NO_CLONES",
            *flags,
            f"-I{self.folder / 'csrc'}",
            "-c",
            str(source),
            "-o",
            str(target),
        ]
        subprocess.run(command, check=True, capture_output=True)

    def _prepare_python(self) -> None:
        """A package beside the tests whose other files are links to the real ones."""
        import numpy

        package = self.folder / "messsim"
        package.mkdir()
        for path in (HERE / "messsim").iterdir():
            if not path.name.startswith(("_core.cpython", "_core.c", "__pycache__")):
                (package / path.name).symlink_to(path)
        for name in ("tests", "scenarios", "examples", "docs", "pyproject.toml"):
            (self.folder / name).symlink_to(HERE / name)
        made = self.folder / "core.c"
        cython = [sys.executable, "-m", "cython", "-3", HERE / "messsim/_core.pyx", "-o", made, "-I", HERE]
        subprocess.run(list(map(str, cython)), check=True, capture_output=True, cwd=HERE)
        include = [f"-I{sysconfig.get_path('include')}", f"-I{numpy.get_include()}", f"-I{HERE / 'messsim'}"]
        self._compile(made, self.folder / "core.o", include)
        self.extension = package / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"

    def noticed_by(self, mutant: Mutant, python: bool) -> str | None:
        """Who notices it: the name of a test file, or "the compiler"; None if nobody does."""
        source, target = self.sources[mutant.file], self.folder / "mutant.o"
        original = source.read_text()
        lines = original.splitlines()
        lines[mutant.number - 1] = mutant.after
        try:
            source.write_text("\n".join(lines) + "\n")
            self._compile(source, target)
        except subprocess.CalledProcessError:
            return "the compiler"
        finally:
            source.write_text(original)
        objects = [target if name == mutant.file else self.folder / f"{name}.o" for name in self.sources]
        for test in sorted(self.tests, key=lambda t: (t != f"test_{mutant.file}", t != "test_loop", t)):
            if not self._passes(test, objects):
                return f"{test}.c"
        return self._noticed_in_python(objects) if python else None

    def _passes(self, test: str, objects: list[Path]) -> bool:
        program = self.folder / "program"
        if not self._run([COMPILER[0], self.folder / f"{test}.o", *objects, "-lm", "-o", program]):
            raise RuntimeError(f"{test} does not link")
        try:
            return self._run([program], timeout=SECONDS_OF_A_TEST)
        except subprocess.TimeoutExpired:
            return False

    def _noticed_in_python(self, objects: list[Path]) -> str | None:
        self.extension.unlink(missing_ok=True)
        if not self._run([COMPILER[0], "-shared", self.folder / "core.o", *objects, "-lm", "-o", self.extension]):
            raise RuntimeError("the extension does not link")
        environment = os.environ | {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        for test in PYTHON_TESTS:
            command = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", f"tests/{test}.py"]
            try:
                if not self._run(command, cwd=self.folder, env=environment, timeout=SECONDS_OF_PYTEST):
                    return f"{test}.py"
            except subprocess.TimeoutExpired:
                return f"{test}.py"
        return None


def chosen(options: argparse.Namespace) -> list[Mutant]:
    """The mutants that the command line asks for."""
    if options.at:
        file, number = options.at.removeprefix("csrc/").split(".c:")
        return [m for m in mutants_of(file) if m.number == int(number)]
    every = [m for file in options.files.split(",") for m in mutants_of(file)]
    return random.Random(options.seed).sample(every, min(options.sample, len(every)))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=60, help="how many, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--files", default=",".join(CORE), help="of csrc/, without .c")
    parser.add_argument("--at", help="all mutants of one line, such as csrc/loop.c:378")
    parser.add_argument("--c-only", action="store_true", help="leaves the Python tests out")
    parser.add_argument("--require", type=float, default=0.0, help="share that must be noticed")
    options = parser.parse_args()
    mutants, survivors, started = chosen(options), [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        bench = Bench(Path(folder))
        for mutant in mutants:
            noticed = bench.noticed_by(mutant, not options.c_only)
            print(f"{time.monotonic() - started:6.0f} s  {noticed or 'SURVIVED':24s} {mutant}", flush=True)
            survivors += [] if noticed else [mutant]
    share = 1.0 - len(survivors) / len(mutants) if mutants else 1.0
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} noticed ({share:.1%}); survivors:", *survivors, sep="\n")
    return 0 if share >= options.require else 1


if __name__ == "__main__":
    sys.exit(main())
