"""The one extension module; everything else about the package stands in pyproject.toml."""

import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError, LinkError
from setuptools.modified import newer_group

# No fast-math and no contraction to FMA: every machine returns the same bits. The two -fno flags
# only drop errno and floating-point exception flags, which nothing reads, so that loops vectorise.
FLAGS = ["-O3", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
# Files of the core call each other a dozen times a request: nothing but the module's init is exported, and calls are
# inlined across files, which gains 4 to 6 % of a whole run.
# Linking uses all cores where the compilers that are usual there know how to ask for it (GCC 10, Clang 14).
LTO = "-flto=auto" if sys.platform == "linux" else "-flto"
# An event runs through some fifteen functions of one caller or two. With GCC's own limit on what is inlined half of
# them stay calls; with this one a cluster takes a twentieth less time.
INLINE = ["-finline-limit=300"] if sys.platform == "linux" else []  # Clang, on macOS, knows no such option
# Each function begins a line of the processor's cache: what an event runs through lies in fewer of them.
ALIGNED = ["-falign-functions=64"]
LINKING = os.environ.get("MESSSIM_LDFLAGS", "").split()
FLAGS += ["-fvisibility=hidden", LTO, *INLINE, *ALIGNED, *os.environ.get("MESSSIM_CFLAGS", "").split()]
# Where the compiler is GCC, the core is compiled by how often runs reach each of its lines (csrc/training/training.c),
# which spares a cluster an eighth of its time. MESSSIM_TRAINED=no leaves it out.
TRAINED = os.environ.get("MESSSIM_TRAINED") != "no"
COUNTING = [*[flag for flag in FLAGS if flag != LTO], "-DMESSSIM_NO_CLONES", "-fprofile-generate"]
TRAINING = "csrc/training/training.c"
# Few functions are another source when they are counted, without clones: they are compiled as if they had not been.
# Knowing what pointers may point to saves a hundredth of the time; Clang refuses the flag.
BY_COUNTS = [
    "-fprofile-use",
    "-fprofile-partial-training",
    "-Wno-missing-profile",
    "-Wno-coverage-mismatch",
    "-fipa-pta",
]

sys.path.insert(0, "tools")
door = importlib.import_module("door")
door.write()

core = Extension(
    "messsim._core",
    sources=["messsim/_core.pyx", *sorted(str(p) for p in Path("csrc").glob("*.c"))],
    depends=["setup.py", TRAINING, *sorted(str(p) for p in Path("csrc").rglob("*.h"))],
    include_dirs=["csrc"],
    extra_compile_args=FLAGS,
    extra_link_args=[LTO, *INLINE, *ALIGNED, *LINKING],
)


class Trained(build_ext):
    """Counts what runs do, then compiles the core by the counts."""

    def build_extension(self, ext: Extension) -> None:
        """Builds the core; without the counts where it cannot be counted."""
        if TRAINED and self._is_to_be_built(ext) and self._is_gcc():
            try:
                self._count(ext)
            except (CompileError, LinkError, OSError, subprocess.CalledProcessError) as error:
                self.warn(f"the core is compiled without counts of what runs do, which slows it by an eighth: {error}")
            else:
                ext.extra_compile_args = [*FLAGS, *BY_COUNTS]
                ext.extra_link_args += BY_COUNTS
        super().build_extension(ext)

    def _is_to_be_built(self, ext: Extension) -> bool:
        return self.force or newer_group([*ext.sources, *ext.depends], self.get_ext_fullpath(ext.name), "newer")

    def _is_gcc(self) -> bool:
        """Whether it is GCC 10 or later, the first to know -fprofile-partial-training, by what it defines."""
        command = getattr(self.compiler, "compiler_so", None)
        if not command or sys.platform != "linux":
            return False
        said = subprocess.run([*command, "-dM", "-E", "-x", "c", "/dev/null"], capture_output=True, text=True).stdout
        gcc = re.search(r"#define __GNUC__ (\d+)", said)
        return "__clang__" not in said and gcc is not None and int(gcc[1]) >= 10

    def _count(self, ext: Extension) -> None:
        """Leaves the counts beside the objects, where the compiler looks for them."""
        sources = [source for source in ext.sources if source.startswith("csrc")] + [TRAINING]
        objects = self.compiler.compile(
            sources, output_dir=self.build_temp, include_dirs=ext.include_dirs, extra_postargs=COUNTING
        )
        counts = [Path(file).with_suffix(".gcda") for file in objects]
        for file in counts:
            file.unlink(missing_ok=True)
        program = str(Path(self.build_temp).absolute() / "training")
        self.compiler.link_executable(
            objects, program, libraries=["m"], extra_postargs=["-fprofile-generate", *LINKING]
        )
        subprocess.run([program], check=True, stdout=subprocess.DEVNULL)
        if missing := [str(file) for file in counts if not file.exists()]:
            raise OSError(f"there are no counts in {missing[0]}")


class WithScenarios(build_py):
    """What is built has the scenarios and their data too, for ``messsim init`` and ``messsim challenge``."""

    def run(self) -> None:
        """Builds the package, then lays the scenarios beside it."""
        super().run()
        if not self.editable_mode:
            for file in sorted(p for p in Path("scenarios").rglob("*") if p.is_file() and p.suffix != ".pyc"):
                target = Path(self.build_lib) / "messsim" / "shipped" / file.relative_to("scenarios")
                self.mkpath(str(target.parent))
                self.copy_file(str(file), str(target))


setup(
    cmdclass={"build_ext": Trained, "build_py": WithScenarios},
    ext_modules=cythonize(
        [core],
        language_level=3,
        compiler_directives={"boundscheck": False, "wraparound": False, "cdivision": True},
    ),
)
