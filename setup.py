"""The one extension module; everything else about the package stands in pyproject.toml."""

import importlib
import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

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
FLAGS += ["-fvisibility=hidden", LTO, *INLINE, *os.environ.get("MESSSIM_CFLAGS", "").split()]
# A directory of counts from tools/profile_guided.py: the core is compiled for what runs do. Few functions were another
# source when they were counted, without clones: they are compiled as if they had not been.
PROFILE = os.environ.get("MESSSIM_PROFILE")
LENIENT = ["-fprofile-correction", "-Wno-missing-profile", "-Wno-coverage-mismatch"]
GUIDED = [f"-fprofile-use={PROFILE}", *LENIENT] if PROFILE else []

sys.path.insert(0, "tools")
door = importlib.import_module("door")
door.write()

core = Extension(
    "messsim._core",
    sources=["messsim/_core.pyx", *sorted(str(p) for p in Path("csrc").glob("*.c"))],
    depends=sorted(str(p) for p in Path("csrc").glob("*.h")),
    include_dirs=["csrc"],
    extra_compile_args=[*FLAGS, *GUIDED],
    extra_link_args=[LTO, *INLINE, *GUIDED, *os.environ.get("MESSSIM_LDFLAGS", "").split()],
)


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
    cmdclass={"build_py": WithScenarios},
    ext_modules=cythonize(
        [core],
        language_level=3,
        compiler_directives={"boundscheck": False, "wraparound": False, "cdivision": True},
    ),
)
