"""Several processes compute what one does, and end together."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from minigen import data, distributed, nn
from minigen.data import batches as batches_module
from minigen.data.vectors import Vectors
from minigen.distributed import DistributedSampler
from minigen.training import load_checkpoint

HERE = Path(__file__).parent
MPIEXEC = Path(sys.executable).parent / "mpiexec"
pytest.importorskip("mpi4py", reason="mpi4py is not installed: pip install 'minigen[mpi-local]'")
needs_mpi = pytest.mark.skipif(
    not MPIEXEC.exists(), reason="this Python has no mpiexec: pip install 'minigen[mpi-local]'"
)
RANKS = [2, 4]


def mpiexec(*words, folder, **environment):
    """The exit status, and what was said, without the launcher's banner."""
    done = subprocess.run(
        [MPIEXEC, *map(str, words)],
        cwd=folder,
        env=os.environ | {"TMPDIR": str(folder), "MINIGEN_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout


def train(ranks, *flags, folder, **environment):
    script = sys.executable, HERE / "train_on_ranks.py"
    return mpiexec("-n", ranks, *script, *flags, folder=folder, **environment)


@pytest.fixture(scope="module", params=RANKS)
def found(request, tmp_path_factory):
    """What all checks found, on each rank."""
    folder = tmp_path_factory.mktemp("ranks")
    checks = ("messages", "data_parallel", "dealt", "models", "words", "rehearsed")
    words = "-n", request.param, sys.executable, HERE / "on_ranks.py", folder, *checks
    status, said = mpiexec(*words, folder=folder)
    assert status == 0, said
    return [json.loads((folder / f"{r}.json").read_text()) for r in range(request.param)]


@needs_mpi
def test_messages_of_all_kinds_arrive(found):
    for rank in found:
        assert rank["messages"] == dict.fromkeys(rank["messages"], True)


@needs_mpi
def test_gradients_and_statistics_are_those_of_the_whole_batch(found):
    for rank in found:
        assert rank["data_parallel"]["buckets"] > 3
        assert rank["data_parallel"]["gradients"] < 1e-12  # twice through the statistics
        assert rank["data_parallel"]["by blocks"] < 1e-12
        assert rank["data_parallel"]["statistics"] < 1e-13


@needs_mpi
def test_several_walks_add_up_and_are_averaged_once(found):
    for rank in found:
        assert rank["data_parallel"]["differ while not averaged"]
        assert rank["data_parallel"]["agree afterwards"]


@needs_mpi
def test_a_parameter_counts_as_zero_where_it_is_not_used(found):
    for rank in found:
        share = 1 / len(found)
        used = rank["data_parallel"]["unused on a rank"]
        assert used == [[[share, share]]] * len(found)
        assert rank["data_parallel"]["unused on all"]


@needs_mpi
def test_nothing_of_a_judge_is_sent_while_the_generator_learns(found):
    for rank in found:  # weight, bias, and for each how many ranks have a gradient
        assert rank["data_parallel"]["numbers sent past a judge"] == [4 + 2 + 2]


@needs_mpi
def test_a_step_of_each_model_is_that_of_one_process(found):
    for rank in found:
        for name, of in rank["models"].items():
            assert of["gradients"] < 1e-10, name
            assert of["statistics"] < 1e-10, name
            assert of["without"] and of["alike"], name


@needs_mpi
def test_tables_meet_and_word_vectors_are_learnt_by_parts(found):
    for rank in found:
        words = rank["words"]
        for i, meeting in (0, 1), (0, 2), (1, 1), (1, 2):
            assert words[f"table {i} at meeting {meeting}"] < 1e-14
        assert words["as many pairs"] and words["alike"]
        assert words["softmax"] < 1e-9 and words["last-four"] < 1e-9


@needs_mpi
def test_a_rehearsal_notes_what_a_step_sends(found):
    for rank in found:
        assert rank["rehearsed"]["sent"] == rank["rehearsed"]["rehearsed"]
        assert len(rank["rehearsed"]["sent"]) > 15


@needs_mpi
def test_a_sampler_deals_each_epoch_out(found):
    for epoch in range(2):
        indices = [i for rank in found for i in rank["dealt"]["indices"][epoch]]
        assert set(indices) == set(range(11))
        assert len(indices) == len(found) * found[0]["dealt"]["count"]
    assert found[0]["dealt"]["indices"][0] != found[0]["dealt"]["indices"][1]


def test_a_sampler_leaves_out_or_deals_twice_what_does_not_divide():
    for drop, count in (True, 3), (False, 4):
        dealt = [
            [*DistributedSampler(range(10), 3, rank, shuffle=False, drop_last=drop)]
            for rank in range(3)
        ]
        assert [len(part) for part in dealt] == [count] * 3
        assert len(set().union(*dealt)) == (9 if drop else 10)


def test_batches_are_dealt_out_in_one_order(monkeypatch):
    x = np.arange(24)
    whole = [b for (b,) in data.Batches(x, batch_size=6, seed=1)]
    parts = []
    for rank in range(3):
        monkeypatch.setattr(batches_module, "share", (rank, 3))
        part = data.Batches(x, batch_size=2, seed=1)
        assert part.state_dict()["batch_size"] == 6  # resumes with any number of ranks
        parts.append([b for (b,) in part])
    assert np.array_equal(np.concatenate(parts, 1), whole)


def numbers(value):
    """All numbers of a state, in a row."""
    if isinstance(value, dict):
        return [n for item in value.values() for n in numbers(item)]
    if isinstance(value, list):
        return [n for item in value for n in numbers(item)]
    return np.ravel(value).tolist() if isinstance(value, np.ndarray | int | float) else []


@needs_mpi
def test_a_run_of_several_ranks_and_then_of_others_is_that_of_one_process(tmp_path):
    script = [sys.executable, HERE / "train_on_ranks.py", "--out", "alone"]
    subprocess.run(script, cwd=tmp_path, check=True, capture_output=True)
    assert train(2, "--out", "dealt", "--steps", 11, folder=tmp_path)[0] == 0
    status, said = train(4, "--resume", "dealt", "--steps", 20, folder=tmp_path)
    assert status == 0, said
    assert said.count("look at") <= 1 and said.count("20 steps in") == 1  # rank 0 alone speaks
    one, other = (load_checkpoint(tmp_path / f / "checkpoint.npz") for f in ("alone", "dealt"))
    assert one["step"] == other["step"] == 20
    assert np.allclose(numbers(one["state"]), numbers(other["state"]), rtol=1e-9, atol=1e-12)
    logged = [
        [json.loads(line) for line in (tmp_path / f / "metrics.jsonl").read_text().splitlines()]
        for f in ("alone", "dealt")
    ]
    assert [r["step"] for r in logged[1]] == [*range(1, 21)]
    for mine, theirs in zip(*logged, strict=True):
        assert abs(mine["loss"] - theirs["loss"]) < 1e-9
    assert (tmp_path / "dealt/samples/20.txt").read_text() == "drawn by rank 0"


@needs_mpi
@pytest.mark.parametrize(
    "misdeed, line",
    [
        ("die:1:7", "rank 1 (process"),
        ("die:0:7", "rank 0 (process"),
        ("hang:1:7", "rank 1 did not come"),
        ("stop:1:7", "was stopped, and not let go on"),
        ("stop while others are patient:0:10", "was stopped, and not let go on"),
        ("raise:1:7", "rank 1: ZeroDivisionError: no reason"),
        ("drift:1:90", "rank 1 has other weights than rank 0"),
        ("version:1:0", "rank 1 has minigen 0.0.1"),
        ("text:1:0", "rank 1 has another text than rank 0"),
    ],
)
def test_all_end_with_one_line_when_one_does(tmp_path, misdeed, line):
    flags = "--out", "run", "--steps", 120
    seconds = "2" if misdeed.startswith(("hang", "stop")) else "30"  # others need not be waited for
    status, said = train(2, *flags, folder=tmp_path, MISDEED=misdeed, TEST_TIMEOUT=seconds)
    assert status != 0
    (text,) = [text for text in said.splitlines() if "all ranks end" in text]
    assert line in text
    if not misdeed.endswith(":0"):
        assert load_checkpoint(tmp_path / "run/checkpoint.npz")["step"] % 5 == 0


@needs_mpi
def test_an_interruption_of_any_rank_saves_once_and_ends_all(tmp_path):
    status, said = train(2, "--out", "run", folder=tmp_path, MISDEED="interrupt:1:12")
    assert status == 130
    assert said.count("to go on") == said.count("to go on: mpiexec -n 2 ") == 1
    assert load_checkpoint(tmp_path / "run/checkpoint.npz")["step"] == 12


@needs_mpi
def test_ctrl_c_on_the_launcher_saves_once(tmp_path):
    script = sys.executable, HERE / "train_on_ranks.py", "--out", "run"
    launcher = subprocess.Popen(
        [MPIEXEC, "-n", "2", *script, "--steps", "2000", "--pause", "20"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    metrics = tmp_path / "run/metrics.jsonl"
    while launcher.poll() is None and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.02)
    launcher.send_signal(signal.SIGINT)
    said, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 130, said
    assert said.count("to go on") == said.count("steps in") == 1
    assert 0 < load_checkpoint(tmp_path / "run/checkpoint.npz")["step"] < 2000


@needs_mpi
def test_word_vectors_of_two_ranks_and_then_four(tmp_path):
    rng = np.random.default_rng(0)
    topics = [[f"{letter}{i}" for i in "bcdefgh"] for letter in "xy"]
    words = [" ".join(rng.choice(topics[n % 2], 12)) for n in range(800)]
    (tmp_path / "text").write_text(" ".join(words))
    script = sys.executable, HERE.parents[1] / "demos/word2vec.py"
    flags = "--corpus", "text", "--dim", 16, "--sample", 0, "--epochs", 20
    status, said = mpiexec("-n", 2, *script, *flags, "--out", "run", folder=tmp_path)
    assert status == 0, said
    assert said.count("words/s") >= 1 and said.count("nearest neighbours") == 1
    status, said = mpiexec("-n", 4, *script, "--resume", "run", "--epochs", 30, folder=tmp_path)
    assert status == 0, said
    vectors = Vectors.load(tmp_path / "run/vectors.bin")
    for word in "xb", "ye":
        near = {w[0] for w, _ in vectors.most_similar(word, count=6)}
        assert near == {word[0]}
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [*range(1, 31)]


@needs_mpi
def test_what_cannot_be_dealt_out_and_other_settings_are_refused(tmp_path):
    status, said = train(2, "--batch-size", 9, folder=tmp_path)
    assert status == 2
    assert said.count("cannot be dealt out to 2 ranks") == 1 and len(said.splitlines()) == 1
    script = sys.executable, HERE / "train_on_ranks.py"
    words = "-n", 1, *script, ":", "-n", 1, *script, "--steps", 7
    status, said = mpiexec(*words, folder=tmp_path)
    assert status != 0
    assert "rank 1 was started as train_on_ranks.py --steps 7, rank 0 as" in said


def test_pytorch_s_names_lead_here():
    assert nn.parallel.DistributedDataParallel is distributed.DistributedDataParallel
    assert nn.SyncBatchNorm is distributed.SyncBatchNorm


def test_importing_minigen_imports_nothing_of_this():
    code = "import sys, minigen; print({'mpi4py', 'minigen.distributed'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
