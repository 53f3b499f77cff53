"""The word2vec demo from its command line, and the tools that ask its vectors."""

import signal

import numpy as np
import pytest
from in_process import run
from models.test_word2vec import EACH, TOPICS, language

from minigen import training
from minigen.data.vectors import Vectors
from minigen.training import load_checkpoint


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    names = [f"{'abcd'[i // EACH]}{chr(ord('a') + i % EACH)}" for i in range(TOPICS * EACH)]
    path.write_text(" ".join(names[row] for row in language(6000)))
    return path


SMALL = ("--dim", 8, "--workers", 1, "--sample", 0, "--epochs", 3)


def test_a_text_becomes_vectors_and_answers(text, tmp_path):
    said = run("word2vec.py", "--corpus", text, "--out", tmp_path / "run", *SMALL)
    assert "6,000 words" in said and "nearest neighbours" in said and "words/s" in said
    vectors = Vectors.load(tmp_path / "run" / "vectors.bin")
    assert len(vectors) == TOPICS * EACH and vectors.most_similar("aa")[0][0][0] == "a"
    for name in ("map.png", "curves.png", "config.json", "metrics.jsonl", "checkpoint.npz"):
        assert (tmp_path / "run" / name).stat().st_size > 0

    near = run("words.py", tmp_path / "run", "aa", "-", "ba", "+", "bb", "--count", "3")
    assert len(near.splitlines()) == 3
    cosine = run("words.py", tmp_path / "run", "--similarity", "aa", "ab")
    assert float(cosine) == pytest.approx(vectors.similarity("aa", "ab"), abs=1e-3)
    assert "no vector for the word 'zebra'" in run("words.py", tmp_path / "run", "zebra", status=1)

    pairs, questions = tmp_path / "pairs.txt", tmp_path / "questions.txt"
    pairs.write_text("aa\tab\t9\naa\tbb\t1\naa\tzebra\t5\n")
    questions.write_text(": one\naa ab ba bb\naa ab ba zebra\n")
    said = run("word_scores.py", tmp_path / "run", pairs, questions)
    assert "1.000       2 of 3" in said and "1 of 2" in said


@pytest.mark.parametrize("model", ["skipgram", "cbow", "softmax"])
def test_resumed_is_uninterrupted(text, tmp_path, monkeypatch, model):
    flags = ("--corpus", text, "--model", model, *SMALL)
    if model == "softmax":
        flags = [flag for flag in flags if flag not in ("--workers", 1)]
    run("word2vec.py", *flags, "--out", tmp_path / "whole")
    log = training.Loop.log

    def stop_at_2(loop, metrics):
        log(loop, metrics)
        loop._caught = signal.SIGINT if loop.step == 2 else None

    with monkeypatch.context() as patch:
        patch.setattr(training.Loop, "log", stop_at_2)
        said = run("word2vec.py", *flags, "--out", tmp_path / "parts", status=130)
    assert "--resume" in said
    assert load_checkpoint(tmp_path / "parts" / "checkpoint.npz")["step"] == 2
    run("word2vec.py", "--resume", tmp_path / "parts")
    a, b = (Vectors.load(tmp_path / name / "vectors.bin") for name in ("whole", "parts"))
    assert a.words == b.words and np.array_equal(a.vectors, b.vectors)


def test_vectors_as_text(text, tmp_path):
    run("word2vec.py", "--corpus", text, "--out", tmp_path / "run", "--text", *SMALL)
    first = (tmp_path / "run" / "vectors.txt").read_text().splitlines()[0]
    assert first == f"{TOPICS * EACH} 8" and not (tmp_path / "run" / "vectors.bin").exists()


@pytest.mark.parametrize("flags, reason", [
    (("--corpus", "nowhere.txt"), "there is no text file 'nowhere.txt'"),
    (("--corpus", "TEXT", "--min-count", "100000"), "smaller --min-count"),
    (("--corpus", "TEXT", "--dim", "0"), "--dim: expected a whole number from 1"),
    (("--corpus", "TEXT", "--lr", "nan"), "--lr: expected a number above 0"),
    (("--corpus", "TEXT", "--device", "cuda"), "cuda"),
    (("--corpus", "TEXT", "--lr", "100", "--dim", "4"), "smaller learning rate"),
    (("--corpus", "TINY", "--min-count", "1"), "give more text, or --sample 0"),
    (("--corpus", "TINY", "--min-count", "1", "--model", "softmax"), "or --sample 0"),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_the_user_can_mend_is_said_in_a_line(text, tmp_path, flags, reason):
    tiny = tmp_path / "tiny.txt"
    tiny.write_text("the cat sat on the mat")
    flags = [{"TEXT": text, "TINY": tiny}.get(flag, flag) for flag in flags]
    status = 2 if "expected" in reason or "nowhere" in reason else 1
    assert reason in run("word2vec.py", *flags, "--out", tmp_path / "run", status=status)
    assert "holds no vectors.bin" in run("word_scores.py", tmp_path, status=1)
