"""Word similarity and analogies: the protocols, on made-up words and against gensim."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.data import DataError
from minigen.data.vectors import Vectors
from minigen.metrics.similarity import analogies, spearman, total, word_similarity


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=20))
def test_spearman_is_pearsons_of_ranks_and_ties_share_their_mean(pairs):
    a, b = np.array(pairs).T
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert math.isnan(spearman(a, b))
    else:
        ranks = [(x < x[:, None]).sum(1) + (x == x[:, None]).sum(1) / 2 for x in (a, b)]
        assert spearman(a, b) == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-12)


def test_spearman_by_hand():
    assert spearman([1, 2, 3], [10, 20, 90]) == 1
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    assert math.isnan(spearman([1], [1]))


@pytest.fixture
def family():
    """Two axes, kingship and sex, and a word in capitals that repeats another."""
    names = ["man", "woman", "king", "queen", "King", "cup"]
    return Vectors(names, [[0, 1], [0.1, -1], [1, 1], [1, -1.1], [9, 1], [-1, 0.1]])


def test_pairs_with_unknown_words_are_left_out(family, tmp_path):
    path = tmp_path / "pairs.txt"
    path.write_text("\ufeff# a comment\nKing\tMAN\t9\nqueen,woman,8\ncup king 1\n\ncup\tmoon\t5\n")
    result = word_similarity(family, path)
    assert (result.found, result.total) == (3, 4)
    cosines = [family.similarity(*pair) for pair in (("king", "man"), ("queen", "woman"),
                                                     ("cup", "king"))]  # fmt: skip
    assert result.correlation == pytest.approx(spearman(cosines, [9, 8, 1]))


QUESTIONS = """: royal
man king woman queen
king MAN queen woman
man king woman moon
: other
man cup woman king
"""


def test_analogies_by_section(family, tmp_path):
    path = tmp_path / "questions.txt"
    path.write_text(QUESTIONS)
    sections = analogies(family, path)
    assert sections[0] == ("royal", 2, 2, 3) and sections[0].accuracy == 1
    assert sections[1] == ("other", 0, 1, 1)
    assert total(sections)[1:] == (2, 3, 4)
    # Among the first three words no question can be answered.
    restricted = analogies(family, path, restrict=3)
    assert [s[1:] for s in restricted] == [(0, 0, 3), (0, 0, 1)]
    assert math.isnan(restricted[0].accuracy)


def test_figures_are_gensims(tmp_path):
    models = pytest.importorskip("gensim.models")
    rng = np.random.default_rng(0)
    names = [f"w{i}" for i in range(40)]
    # Two halves that correspond, with some noise: some questions are answered rightly.
    half = rng.normal(size=(20, 8))
    table = np.concatenate([half, half + 2 + rng.normal(size=(20, 8))]).astype("f")
    pairs, questions = tmp_path / "pairs.txt", tmp_path / "questions.txt"
    pairs.write_text(
        "".join(f"w{i}\tW{j}\t{(i * j) % 7}\n" for i in range(9) for j in range(9, 45))
    )
    lines = [f"w{i} w{i + 20} w{j} w{j + 20}\n" for i in range(20) for j in range(20) if i != j]
    questions.write_text(": one\n" + "".join(lines[:200]) + ": two\n" + "".join(lines[200:]))
    theirs = models.KeyedVectors(8)
    theirs.add_vectors(names, table)
    ours = Vectors(names, table)
    _, rank, unknown = theirs.evaluate_word_pairs(str(pairs))
    result = word_similarity(ours, pairs)
    assert result.correlation == pytest.approx(rank[0], abs=1e-6)
    assert 1 - result.found / result.total == pytest.approx(unknown / 100)
    for restrict in (None, 30):
        expected, _ = theirs.evaluate_word_analogies(str(questions), restrict_vocab=restrict or 40)
        got = total(analogies(ours, questions, restrict))
        assert got.accuracy == pytest.approx(expected) and 0 < got.accuracy < 1


@pytest.mark.parametrize("judge, content, message", [
    (word_similarity, "a\tb\t1\nking\tman\n", "line 2: expected two words and a number"),
    (word_similarity, "king man one\nking man x\n", "line 2"),
    (word_similarity, "king man nan\n", "line 1"),
    (word_similarity, "", "no pairs"),
    (analogies, "man king woman queen\n", "line 1: expected ': section'"),
    (analogies, ": a\nman king woman\n", "line 2"),
    (analogies, "", "no sections"),
])  # fmt: skip
def test_files_that_are_none_are_named(family, tmp_path, judge, content, message):
    path = tmp_path / "file.txt"
    path.write_text(content)
    with pytest.raises(DataError, match=f"file.txt.*{message}"):
        judge(family, path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        judge(family, path)
    with pytest.raises(DataError, match="cannot be read"):
        judge(family, tmp_path / "missing")
