"""The whole suite under other conditions: BLAS kernels, threads, versions, users, warnings, seeds.

    python tests/matrix.py [--work FOLDER] [--jobs 1] [--also PACKAGE...] [CELL...]

Every pair of conditions meets in some cell; the cells of the usual kernels run three times, since
what fails now and then hides in one. Five more cells run the property tests alone, on other seeds
with five times the examples. Each cell has a copy of the checkout and one of two virtual
environments, of the oldest versions that pyproject.toml allows and of the newest. What passed is
not run again until the checkout changes, so that the command can be stopped and repeated. With
names, only cells whose names contain one. Exits with status 1 if a cell fails.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[1]

CONDITIONS = {
    "blas": ("unset", "Haswell", "Zen", "SkylakeX", "Nehalem", "Sandybridge"),
    "threads": ("1", "8"),
    "versions": ("newest", "oldest"),
    "user": ("self", "nobody"),
    "warnings": ("shown", "error"),
}
NEEDS = {"SkylakeX": "avx512f", "Haswell": "avx2", "Zen": "avx2", "Sandybridge": "avx"}
REPEATED = ("unset", "Haswell")
SEEDS = range(1, 6)
# Warnings of other packages, which are not ours to mend: matplotlib 3.9 calls names of pyparsing
# that a later version has renamed.
OTHERS = [
    f"ignore::DeprecationWarning:{module}"
    for module in (
        "matplotlib._fontconfig_pattern",
        "matplotlib._mathtext",
        "pyparsing.core",
        "pyparsing.util",
    )
]

Cell = dict[str, str]


def pairwise() -> list[Cell]:
    """Cells in which every two conditions of different kinds meet, few of them: each one is the
    cell that has most pairs not met before."""
    names = list(CONDITIONS)
    every = [dict(zip(names, c, strict=True)) for c in itertools.product(*CONDITIONS.values())]

    def pairs(cell: Cell) -> set:
        return set(itertools.combinations(cell.items(), 2))

    left = set().union(*map(pairs, every))
    chosen = []
    while left:
        chosen.append(max(every, key=lambda cell: len(pairs(cell) & left)))
        left -= pairs(chosen[-1])
    return sorted(chosen, key=lambda cell: CONDITIONS["blas"].index(cell["blas"]))


def cells() -> Iterator[tuple[str, Cell]]:
    """Each cell with its name."""
    for blas, group in itertools.groupby(pairwise(), key=lambda cell: cell["blas"]):
        for place, cell in enumerate(group):
            repeats = 3 if blas in REPEATED and not place else 1
            for repeat in range(repeats):
                name = "-".join(cell.values()) + (f"-{repeat + 1}" if repeats > 1 else "")
                yield name, cell
    usual = {name: values[0] for name, values in CONDITIONS.items()} | {"threads": "8"}
    for seed in SEEDS:
        yield f"seed-{seed}", {**usual, "seed": str(seed)}


def dependencies(versions: str) -> list[str]:
    """What pip is to install: the newest, or exactly the oldest that pyproject.toml allows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    return [w.replace(">=", "==") for w in wanted] if versions == "oldest" else wanted


def environment(folder: Path, python: str, versions: str, also: list[str]) -> Path:
    """The Python of the virtual environment of these versions, made where it is not there."""
    wanted = dependencies(versions) + (also if versions == "newest" else [])
    made = folder / f"venv-{versions}"
    record = made / "installed.json"
    if not (record.exists() and json.loads(record.read_text()) == wanted):
        shutil.rmtree(made, ignore_errors=True)
        subprocess.run([python, "-m", "venv", made], check=True)
        subprocess.run([made / "bin/python", "-m", "pip", "install", "-q", *wanted], check=True)
        record.write_text(json.dumps(wanted))
    return made / "bin/python"


def files() -> list[str]:
    """The files of the checkout, those that are not committed yet included."""
    listed = ["git", "ls-files", "-co", "--exclude-standard"]
    said = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [name for name in said.splitlines() if (ROOT / name).is_file()]


def fingerprint() -> str:
    """Of all files of the checkout."""
    total = hashlib.sha256()
    for name in sorted(files()):
        total.update(name.encode() + b"\0" + (ROOT / name).read_bytes())
    return total.hexdigest()


def obstacle(cell: Cell, python: Path) -> str:
    """Why the cell cannot run on this machine, if it cannot."""
    flag = NEEDS.get(cell["blas"])
    cpu = Path("/proc/cpuinfo")
    if flag and cpu.exists() and not re.search(rf"\b{flag}\b", cpu.read_text()):
        return f"this processor has no {flag}"
    if cell["user"] != "self":
        if os.geteuid():
            return "only root can become another user"
        if subprocess.run([python, "-c", ""], user=cell["user"], capture_output=True).returncode:
            return f"{cell['user']} cannot start {python.resolve()}: pass another --python"
    return ""


def run(name: str, cell: Cell, python: Path, work: Path) -> tuple[bool, str]:
    """Run the suite in this cell: whether it passed, and pytest's last line."""
    tree = work / "cells" / name
    shutil.rmtree(tree, ignore_errors=True)
    for file in files():
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tree / file)
    (tree / "home").mkdir()
    environ = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_") and k != "CI"}
    environ |= {
        "PYTHONPATH": str(tree),
        "HOME": str(tree / "home"),
        "MINIGEN_THREADS": cell["threads"],
        "OPENBLAS_NUM_THREADS": cell["threads"],
    }
    if cell["blas"] != "unset":
        environ["OPENBLAS_CORETYPE"] = cell["blas"]
    if cell["warnings"] == "error":
        environ["PYTHONWARNINGS"] = ",".join(("error", *OTHERS))
    command = [python, "-m", "pytest", "-p", "no:cacheprovider"]
    if "seed" in cell:
        command += ["-m", "hypothesis", f"--hypothesis-seed={cell['seed']}"]
        environ["MINIGEN_EXAMPLES"] = "5"
    user: dict = {}
    if cell["user"] != "self":
        account = pwd.getpwnam(cell["user"])
        for path in (tree, *tree.rglob("*")):
            os.chown(path, account.pw_uid, account.pw_gid)
        user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    log = work / f"{name}.log"
    with log.open("wb") as out:
        done = subprocess.run(
            command, cwd=tree, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **user
        )
    lines = log.read_text(errors="replace").strip().splitlines() or [""]
    if done.returncode == 0:
        shutil.rmtree(tree)
    return done.returncode == 0, lines[-1].strip("= ") or f"status {done.returncode}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("names", nargs="*", metavar="CELL", help="parts of names of cells")
    add("--work", type=Path, default=ROOT / "build/matrix", help="for environments, logs, results")
    add("--python", default=getattr(sys, "_base_executable", sys.executable), help="to start from")
    add("--also", nargs="+", default=[], metavar="PACKAGE", help="beside the newest: torch, gensim")
    add("--jobs", type=int, default=1, help="cells at a time (1)")
    add("--list", action="store_true", help="name the cells and end")
    options = parser.parse_args()
    chosen = [(n, c) for n, c in cells() if not options.names or any(p in n for p in options.names)]
    if options.list:
        sys.exit(print("\n".join(name for name, _ in chosen)))
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    pythons = {
        versions: environment(work, options.python, versions, options.also)
        for versions in {cell["versions"] for _, cell in chosen}
    }
    tree = fingerprint()
    results = work / "results.json"
    passed = json.loads(results.read_text()) if results.exists() else {}

    def one(name: str, cell: Cell) -> bool:
        python = pythons[cell["versions"]]
        start = time.perf_counter()
        if passed.get(name) == tree:
            fine, verdict = True, "passed before"
        elif reason := obstacle(cell, python):
            fine, verdict = True, f"left out: {reason}"
        else:
            fine, verdict = run(name, cell, python, work)
            if fine:
                passed[name] = tree
                results.write_text(json.dumps(passed, indent=2))
        seconds = time.perf_counter() - start
        print(f"{'' if fine else 'FAILED ':7}{name:42}{seconds:6.0f} s  {verdict}", flush=True)
        return fine

    with ThreadPoolExecutor(options.jobs) as pool:
        fine = list(pool.map(one, *zip(*chosen, strict=True)))
    print(f"{len(fine)} cells, {fine.count(False)} failed; their logs are in {work}")
    sys.exit(not all(fine))


if __name__ == "__main__":
    main()
