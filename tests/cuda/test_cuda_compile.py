"""The CUDA source, compiled for real cards without one: no spills, few enough registers."""

import concurrent.futures
import re
import shutil
import subprocess

import checked
import pytest

from minigen.kernels.cuda import launch

ARCHITECTURES = (75, 80, 90)
assert checked.MODULES  # importing them names the kernels


def everything(arch):
    """All .cu files that a card of this architecture can run, as one, and the instances in use."""
    files = [f for f in launch.KERNELS if arch >= 80 or f != "conv2d_tf32.cu"]
    headers = ["geometry.cuh", *["tensor_cores.cuh"] * (arch >= 80)]
    texts = [(launch.HERE / f).read_text(encoding="utf-8") for f in (*headers, *files)]
    code = re.sub(r'^#include ".*"$', "", "\n".join(texts), flags=re.MULTILINE)
    names = [name for f in files for name in launch.KERNELS[f]]
    pointers = ", ".join(f"(void*)&{name}" for name in names)
    return f"{code}\nvoid* kernels[] = {{{pointers}}};\n", names


def resources(arch, folder):
    """For each kernel of a card, its registers, bytes of static shared memory and spilled bytes."""
    code, names = everything(arch)
    path = folder / f"all_{arch}.cu"
    path.write_text(code)
    flags = [*launch.OPTIONS, "-cubin", f"-arch=sm_{arch}", "-Xptxas", "-v"]
    done = subprocess.run(
        ["nvcc", *flags, path, "-o", folder / f"{arch}.cubin"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    text = subprocess.run(["c++filt"], input=done.stderr, capture_output=True, text=True).stdout
    found = {}
    for part in text.split("Compiling entry function '")[1:]:
        name = re.match(r"(?:void )?([\w]+(?:<[^>]*>)?)\(", part)[1]
        registers, spills = (
            re.search(r"Used (\d+) reg", part),
            re.findall(r"(\d+) bytes spill", part),
        )
        shared = re.search(r"(\d+) bytes smem", part)
        found[name] = (
            int(registers[1]), int(shared[1]) if shared else 0, sum(map(int, spills))
        )  # fmt: skip
    assert set(found) == set(names)
    return found


@pytest.mark.skipif(
    not (shutil.which("nvcc") and shutil.which("c++filt")), reason="nvcc is not installed"
)
def test_nothing_spills(tmp_path, record_testsuite_property):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        tables = pool.map(lambda arch: resources(arch, tmp_path), ARCHITECTURES)
    for arch, table in zip(ARCHITECTURES, tables, strict=True):
        for name, (registers, shared, spills) in table.items():
            record_testsuite_property(f"sm_{arch} {name}", f"{registers} registers, {shared} bytes")
            print(f"sm_{arch} {name}: {registers} registers, {shared} bytes of shared memory")
            assert spills == 0, f"{name} on sm_{arch} spills {spills} bytes"
            assert shared <= 48 << 10
            # Two blocks of 256 threads at a time on a multiprocessor, so that one computes while
            # the other waits.
            assert registers <= 128
