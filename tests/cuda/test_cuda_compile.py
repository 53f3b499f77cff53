"""The CUDA source, compiled for real cards without one: no spills, few enough registers."""

import concurrent.futures
import re
import shutil
import subprocess

import checked
import pytest
import runner

from minigen.kernels.cuda import launch

ARCHITECTURES = (75, 80, 90)
assert checked.MODULES  # importing them names the kernels


def everything(arch):
    """All .cu files that a card of this architecture can run, as one, and the instances in use."""
    files = [f for f in launch.KERNELS if arch >= 80 or f != "conv2d_tf32.cu"]
    headers = ["geometry.cuh", "tile.cuh", "product.cuh", *["tensor_cores.cuh"] * (arch >= 80)]
    texts = [(launch.HERE / f).read_text(encoding="utf-8") for f in (*headers, *files)]
    code = re.sub(r'^#include ".*"$', "", "\n".join(texts), flags=re.MULTILINE)
    names = [name for f in files for name in launch.KERNELS[f]]
    pointers = ", ".join(f"(void*)&{name}" for name in names)
    return f"{code}\nvoid* kernels[] = {{{pointers}}};\n", names


def said_by_nvcc(arch, code):
    """What it says of the code's kernels, compiled once for each source."""
    flags = [*launch.OPTIONS, "-cubin", f"-arch=sm_{arch}", "-Xptxas", "-v"]

    def build(folder, out):
        (folder / "all.cu").write_text(code)
        files = [folder / "all.cu", "-o", folder / "all.cubin"]
        done = subprocess.run(["nvcc", *flags, *files], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        out.write_text(done.stderr)

    version = subprocess.run(["nvcc", "--version"], capture_output=True, text=True).stdout
    return runner.once("nvcc.txt", [code, *flags, version], build).read_text()


def resources(arch):
    """For each kernel of a card, its registers, bytes of static shared memory, and bytes of local
    memory: spilled registers, and arrays that found no place in registers."""
    code, names = everything(arch)
    said = said_by_nvcc(arch, code)
    text = subprocess.run(["c++filt"], input=said, capture_output=True, text=True).stdout
    found = {}
    for part in text.split("Compiling entry function '")[1:]:
        name = re.match(r"(?:void )?([\w]+(?:<[^>]*>)?)\(", part)[1]
        registers, shared = re.search(r"Used (\d+) reg", part), re.search(r"(\d+) bytes smem", part)
        local = sum(map(int, re.findall(r"(\d+) bytes (?:stack|spill)", part)))
        found[name] = int(registers[1]), int(shared[1]) if shared else 0, local
    assert set(found) == set(names)
    return found


@pytest.mark.skipif(
    not (shutil.which("nvcc") and shutil.which("c++filt")), reason="nvcc is not installed"
)
def test_nothing_spills(record_testsuite_property):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        tables = pool.map(resources, ARCHITECTURES)
    for arch, table in zip(ARCHITECTURES, tables, strict=True):
        for name, (registers, shared, local) in table.items():
            record_testsuite_property(f"sm_{arch} {name}", f"{registers} registers, {shared} bytes")
            print(f"sm_{arch} {name}: {registers} registers, {shared} bytes of shared memory")
            assert local == 0, f"{name} on sm_{arch}: {local} bytes of local memory"
            assert shared <= 48 << 10
            # Two blocks of 256 threads at a time on a multiprocessor, so that one computes while
            # the other waits.
            assert registers <= 128
