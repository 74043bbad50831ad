"""Counts what runs do, for a core that is compiled by these counts: profile-guided optimisation, with GCC.

    python tools/profile_guided.py build/profile
    MESSSIM_PROFILE=$PWD/build/profile pip install .

The core is compiled in place with counters, serves some requests with and without servers, and leaves the counts in
the directory; `setup.py` compiles by those of ``MESSSIM_PROFILE``. Wheels for Linux are made so (pyproject.toml):
bench/README.md has the gain. No result depends on it, and what was compiled in place is to be compiled again.

``--install`` first installs what the build and the runs need.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

__all__ = ["main"]

ROOT = Path(__file__).resolve().parents[1]

# Synthetic requests on a cluster, without servers and in sessions with prefix caches, in as many as a benchmark takes.
TRAINING = """
import messsim
sessions = ["sessions.turns=8", "sessions.think_s=5.0", "sessions.followup=20", "arrivals.rate_rps=0.5"]
shared = ["prefixes.groups=50", "prefixes.tokens=100"]
caches = [f"models.{m}.{key}" for m in range(4) for key in ("prefix_cache=true", "kv_block_tokens=16")]
for scenario, requests, settings in (
    ("synthetic", 200_000, []),
    ("synthetic", 200_000, ["cluster.mode=none"]),
    ("synthetic", 200_000, [*sessions, *shared, *caches]),
    ("sessions", 20_000, []),
):
    messsim.run(messsim.load(f"scenarios/{scenario}.toml", settings, requests=requests), keep_records=False)
"""


def main(profile: Path, install: bool = False) -> None:
    """Leaves a .gcda file for each file of the core in `profile`, which is emptied before."""
    if install:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
        needed = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
        subprocess.run([sys.executable, "-m", "pip", "install", *needed], check=True)
    shutil.rmtree(profile, ignore_errors=True)
    # The resolvers of clones run before counters can: their profile is that of the plain version.
    counting = f"-DMESSSIM_NO_CLONES -fprofile-generate -fprofile-update=single -fprofile-dir={profile}"
    own = {k: v for k, v in os.environ.items() if k != "MESSSIM_PROFILE"}
    own |= {"MESSSIM_CFLAGS": counting, "MESSSIM_LDFLAGS": "-fprofile-generate", "PYTHONPATH": str(ROOT)}
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", "--force"]
    subprocess.run(build, check=True, cwd=ROOT, env=own)
    subprocess.run([sys.executable, "-c", TRAINING], check=True, cwd=ROOT, env=own)
    print(f"{len(list(profile.glob('*.gcda')))} files of counts in {profile}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Count what runs do, for a core compiled by these counts.")
    parser.add_argument("profile", type=lambda name: Path(name).resolve(), help="directory of the counts")
    parser.add_argument("--install", action="store_true", help="first install what the build and the runs need")
    arguments = parser.parse_args()
    main(arguments.profile, arguments.install)
