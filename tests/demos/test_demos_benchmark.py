"""The benchmark on sizes that take no time: what it counts and says, not how fast anything is."""

import contextlib
import json
import pathlib
import sys

import numpy as np
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "demos"))

from benchmark import measuring, sections
from benchmark.measuring import Bench, installed, measured

from minigen import backend
from minigen.profile import machine_speed

TORCH = ("torch",) if installed("torch") else ()
PROCESSES: dict[str, dict[str, float]] = {}
in_own_process = measuring.in_own_process


@pytest.fixture
def one_thread(limit_restored):
    backend.limit_threads(1)  # small work on a busy machine: threads would wait for each other


@pytest.fixture(autouse=True)
def no_time_is_taken(monkeypatch):
    """How fast anything is, is not asked: turns are short, and a process is started once for each
    module; the next ones count what it counted."""

    def first(module, model, batch, device):
        if module not in PROCESSES:
            PROCESSES[module] = in_own_process(module, model, batch, device)
        return PROCESSES[module]

    for module in sections, measuring:
        monkeypatch.setattr(module, "in_own_process", first)
    monkeypatch.setattr(measuring, "SETTLE", 1e-4)
    monkeypatch.setattr(measuring, "TURN", 1e-4)


@pytest.fixture
def bench(one_thread):
    return Bench(against=(), rounds=2)


def test_layers_and_their_flops(bench, capsys):
    layers = [
        sections.Layer(3, 4, 8, 3, 2, 1, batch=2),
        sections.Layer(4, 3, 4, 4, 2, 1, True, batch=2),
    ]
    bench.section("conv")
    sections.conv(bench, {"small": layers}, images=1)
    rows = bench.rows["conv"]
    assert [row["flops"] for row in rows[:3]] == [2 * (2 * 4 * 4 * 4) * 3 * 3 * 3] * 3
    assert [row["flops"] for row in rows[3:6]] == [2 * (2 * 4 * 4 * 4) * 3 * 4 * 4] * 3
    speed = machine_speed("cpu", "float32")
    for row in rows:
        floor = max(row["flops"] / speed.product, row["bytes"] / speed.copy)
        if "layer" in row:
            assert row["roofline"] * row["seconds"] == pytest.approx(floor)
            assert row["binds"] in ("products", "copies")
    moved = {row["name"]: row["bytes"] for row in rows[6:]}
    image = 28 * 28 * 128 * 4
    # Forward x -> y; backward what was kept (x; the mask's bytes) and g -> gradient of x.
    assert moved["leaky relu"] == 5 * image
    assert moved["dropout"] == 4 * image + image // 4
    assert moved["mse loss"] == 2 * image + 4 + 2 * image + 4 + image  # both are kept
    printed = capsys.readouterr().out
    assert "T 4→3, 4×4/2, 4→8, batch 2" in printed and "its weight gradient" in printed
    json.dumps(bench.rows)


def test_steps_and_processes_of_their_own(bench, capsys):
    bench.section("dcgan")
    sections.dcgan(bench, batches=(2,), scaling=(1,))
    step, _, memory, scaling = bench.rows["dcgan"]
    assert step["floor_ratio"] == pytest.approx(
        step["seconds"] * bench.speed.product / step["flops"]
    )
    assert memory["minigen"] > 2e7 and scaling["peak"] > 2e7 and scaling["seconds_per_image"] > 0
    bench.section("vae")
    sections.vae(bench, batch=3, images=6)
    # Twice back for the weights, once for the activations: all but the first layer's.
    forward = 2 * 3 * (784 * 400 + 400 * 40 + 20 * 400 + 400 * 784)
    step, epoch, _ = bench.rows["vae"]
    assert step["flops"] == pytest.approx(3 * forward - 2 * 3 * 784 * 400, rel=0.15)
    assert epoch["flops"] == 2 * step["flops"]
    assert "1 an image" not in (said := capsys.readouterr().out) and "MB at most" in said


@pytest.mark.skipif(not TORCH, reason="PyTorch is not installed")
def test_pytorch_computes_the_same_things(one_thread, capsys):
    bench = Bench(against=TORCH, rounds=1)
    bench.section("ops")
    sections.ops(bench)
    bench.section("conv")
    sections.conv(bench, {"small": [sections.Layer(2, 3, 5, 3, 1, 1, batch=1)]}, images=1)
    bench.section("dcgan")
    sections.dcgan(bench, batches=(2,), scaling=())
    step, small, memory = bench.rows["dcgan"]
    assert "torch" in small["against"]
    assert step["against"].keys() == {"torch", "torch channels-last"}
    assert memory["ratio"] == memory["minigen"] / memory["torch"]
    bench.section("vae")
    sections.vae(bench, batch=2, images=6)
    assert all("torch" in row["against"] for row in bench.rows["vae"][:2])
    assert bench.rows["ops"][-1]["name"] == "median"
    assert "against PyTorch channels-last" in capsys.readouterr().out
    # The same networks, with as many parameters.
    pairs = (*bench.torch.pair(), *bench.torch.dense_pair())
    for net, count in zip(pairs, (1_176_835, 41_857, 436_065, 410_993), strict=True):
        assert sum(p.numel() for p in net.parameters()) == count


def test_rounds_alternate():
    order = []
    times = measured({who: lambda who=who: order.append(who) for who in "ab"}, rounds=3)
    assert all(len(t) == 3 for t in times.values())
    runs = [who for i, who in enumerate(order) if i == 0 or order[i - 1] != who]
    assert "".join(runs) == "ababab"  # to warm up ab, then ab, ba, ab, run together
    assert np.all(times["a"] > 0)


def test_a_process_that_fails_says_why():
    with pytest.raises(RuntimeError, match="has no attribute 'gone_step'"):
        in_own_process("benchmark.sections", "gone_step", 1, "cpu")


@pytest.mark.parametrize("given, reason", [
    (["vae", "--against", "theano"], "expected torch or gensim, got 'theano'"),
    (["speed"], "got 'speed'"),
    (["ops", "--device", "tpu"], "--device: unknown 'tpu'"),
    (["ops", "--device", "cuda"], "cuda"),
])  # fmt: skip
def test_what_cannot_be_measured_is_refused(given, reason, capsys):
    with pytest.raises(SystemExit) as stopped:
        sections.arguments(given)
    assert stopped.value.code == 2 and reason in capsys.readouterr().err


def test_a_reference_must_belong_to_the_section(monkeypatch, capsys):
    other = sections.Section(lambda bench: None, ("gensim",))
    monkeypatch.setitem(sections.SECTIONS, "other", other)
    assert sections.arguments(["all"]).against == ["torch", "gensim"]
    assert sections.arguments(["other"]).against == ["gensim"]
    assert sections.arguments(["all", "--against", "gensim"]).against == ["gensim"]
    with pytest.raises(SystemExit):
        sections.arguments(["vae", "--against", "gensim"])
    assert "vae is not compared with gensim" in capsys.readouterr().err


def test_without_the_reference_one_line_says_so_and_the_figures_are_written(
    tmp_path, monkeypatch, capsys, one_thread
):
    def tiny(bench):
        bench.row("nothing", lambda: None, {})

    monkeypatch.setattr(sections, "installed", lambda name: False)
    monkeypatch.setattr(sections, "SECTIONS", {"tiny": sections.Section(tiny)})
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "tiny", "--json", str(tmp_path / "f.json")])
    with contextlib.chdir(tmp_path):
        sections.main()
    said = capsys.readouterr().out
    assert said.startswith("PyTorch is not installed") and "Measured now" in said
    found = json.loads((tmp_path / "f.json").read_text())
    assert found["sections"]["tiny"][0]["name"] == "nothing"
    assert {"numpy", "threads", "blas", "product_flops_per_second"} <= found["machine"].keys()
