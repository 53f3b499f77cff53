"""Files of word vectors, friendly and hostile, and questions to them."""

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.data import DataError
from minigen.data.vectors import Vectors

# Whatever ASCII calls no white space: other scripts, signs, and words that look like numbers.
words = st.one_of(
    st.sampled_from(
        ["0", "-1.5", "nan", "1e5", "a", "é", "#", "日本", "a\xa0b", "\u3000", "\x1c\x85"]
    ),
    st.text(st.characters(exclude_categories=("Cs", "Z", "Cc", "Cn")), min_size=1, max_size=5),
)


@st.composite
def vectors(draw):
    names = draw(st.lists(words, unique=True, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dim = draw(st.integers(0, 5))
    scale = draw(st.sampled_from([1, 1e-40, 1e38]))
    return Vectors(names, rng.uniform(-1, 1, (len(names), dim)) * scale)


@given(vectors(), st.booleans())
def test_what_is_saved_is_loaded(tmp_path_factory, v, text):
    path = tmp_path_factory.mktemp("vectors") / "vectors"
    v.save(path, text=text)
    back = Vectors.load(path)
    assert back.words == v.words and np.array_equal(back.vectors, v.vectors)


@pytest.mark.parametrize("text", [False, True])
def test_gensim_reads_ours_and_we_read_gensims(tmp_path, text):
    models = pytest.importorskip("gensim.models")
    rng = np.random.default_rng(0)
    ours = Vectors(["the", "été", "日本"], rng.normal(size=(3, 7)))
    ours.save(tmp_path / "ours", text=text)
    theirs = models.KeyedVectors.load_word2vec_format(tmp_path / "ours", binary=not text)
    assert theirs.index_to_key == ours.words and np.array_equal(theirs.vectors, ours.vectors)
    theirs.save_word2vec_format(tmp_path / "theirs", binary=not text)
    back = Vectors.load(tmp_path / "theirs")
    assert back.words == ours.words and np.array_equal(back.vectors, ours.vectors)
    mine = ours.most_similar(["the", "été"], ["日本"], 3)
    assert mine == pytest.approx([])  # all words were given
    for word, cosine in theirs.most_similar("the"):
        assert ours.similarity("the", word) == pytest.approx(cosine, abs=1e-6)


def entry(word, *numbers):
    return word + b" " + struct.pack(f"<{len(numbers)}f", *numbers) + b"\n"


GOOD = b"2 2\n" + entry(b"a", 1, 2) + entry(b"b", 3, 4)


def test_the_binary_format_byte_by_byte(tmp_path):
    path = tmp_path / "v"
    Vectors(["a", "b"], [[1, 2], [3, 4]]).save(path)
    assert path.read_bytes() == GOOD
    path.write_bytes(GOOD.replace(b"@\n", b"@"))  # gensim puts no line feed after an entry
    assert Vectors.load(path).words == ["a", "b"]


@pytest.mark.parametrize("content, message", [
    (b"", "expected a first line"),
    (b"2\n", "expected a first line"),
    (b"2 x\n", "expected a first line"),
    (b"-1 2\n", "expected a first line"),
    (b"\x00" * 9999, "expected a first line"),
    (b"1" * 9999, "expected a first line"),
    (b"9999999999 300\nword 1 2", "promises 9999999999 words of 300 numbers"),
    (b"1 999999999999999999999999\n" + b"a " * 99, "promises 1 words"),
    (b"0 10000000000000000000\n", "promises 0 words of 10000000000000000000 numbers"),
    (b"1_0 2\n", "expected a first line"), (b"+2 2\n" + GOOD[4:], "expected a first line"),
    (b"3 2\n" + GOOD[4:], "has no end, for the file ends"),
    (b"1 2\n" + GOOD[4:], "promises 1 words, but more follows"),
    (GOOD[:-4], "cut short in word 2, b'b': expected 8 bytes of numbers, got 5"),
    (GOOD.replace(b"b ", b" "), "word 2, b'', is empty"),
    (GOOD.replace(b"b ", b"b\tc "), r"word 2, b'b\\tc', has white space"),
    (GOOD.replace(b"b ", b"a "), "the word 'a' is there twice"),
    (GOOD.replace(b"b ", b"\xff "), r"word 2, b'\\xff', is not UTF-8"),
    (b"1 2\n" + entry(b"a", float("nan"), 1), "hold NaN or infinity, that of 'a'"),
    (b"1 2\n" + b"x" * 9999, "has no end in 4096 bytes"),
    (b"2 2\na 1.5 2\nb 3\n", "word 2: expected a line of a word and 2 numbers, got 2 fields"),
    (b"2 2\na 1 2\nb 3 x\n", "word 2: expected a line of a word and 2 numbers"),
    (b"2 2\na 1 2\nb 3 4\nc 5 6\n", "but more follows"),
    (b"2 2\nNew York 1 2\nb 3 4\n", "word 1: expected .* a word and 2 numbers, got 4 fields"),
    (b"2 2\na 1 1e300\nb 3 4\n", "NaN or infinity"),
    (b"3 2\na 1.000 2.000\nb 3 4\n", "word 3: expected a line"),
    (b"2 2\na 1 2\na 3 4\n", "twice"),
    (b"2 2\na 1 inf\nb 3 4\n", "NaN or infinity"),
    (b"2 2\n\xff 1 2\nb 3 4\n", "not UTF-8"),
])  # fmt: skip
def test_hostile_files_are_refused(tmp_path, content, message):
    path = tmp_path / "vectors.bin"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as raised:
        Vectors.load(path)
    assert str(path) in str(raised.value)


@given(st.binary(max_size=40))
def test_no_bytes_at_all_crash_the_reader(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("junk") / "v"
    path.write_bytes(b"2 2\n" + junk)
    with contextlib.suppress(DataError):
        assert len(Vectors.load(path)) == 2


@given(st.binary(max_size=6), st.booleans(), st.booleans())
def test_what_loads_can_be_saved(tmp_path_factory, word, binary, text):
    path = tmp_path_factory.getbasetemp() / "v"
    path.write_bytes(b"1 2\n" + (entry(word, 1, 2) if binary else word + b" 1 2\n"))
    with contextlib.suppress(DataError):
        v = Vectors.load(path)
        v.save(path, text=text)
        back = Vectors.load(path)
        assert back.words == v.words and np.array_equal(back.vectors, v.vectors)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            Vectors.load(path)


@pytest.mark.parametrize("word", ["", "a b", "a\n", "\x0b", "\ud800", "x" * 5000])
def test_words_that_no_file_can_hold_are_refused(tmp_path, word):
    path = tmp_path / "v"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match="the word"):
        Vectors([word], [[1.0]]).save(path)
    assert path.read_bytes() == b"old"


def test_what_is_no_table_is_refused():
    with pytest.raises(ValueError, match="a row for each of 2 words"):
        Vectors(["a", "b"], np.zeros((3, 2)))
    with pytest.raises(ValueError, match="'a' is there twice"):
        Vectors(["a", "b", "a"], np.zeros((3, 2)))
    with pytest.raises(ValueError, match="1 of 2 vectors hold NaN or infinity, that of 'b'"):
        Vectors(["a", "b"], [[0, 1], [np.nan, 0]])


@given(vectors().filter(len), st.data())
def test_most_similar_is_a_sorted_list_of_cosines(v, data):
    one = st.sampled_from(v.words)
    plus = data.draw(st.lists(one, min_size=1, max_size=2))
    minus = data.draw(st.lists(one, max_size=2))
    count, restrict = data.draw(st.integers(0, 7)), data.draw(st.sampled_from([None, 0, 2]))
    lengths = np.linalg.norm(v.vectors.astype(np.float64), axis=1, keepdims=True)
    unit = v.vectors / lengths
    target = sum(unit[v.index[w]] for w in plus) - sum(unit[v.index[w]] for w in minus)
    length = np.linalg.norm(target)
    cosines = {
        w: unit[i] @ target / (length if length > 1e-6 else np.inf)
        for w, i in v.index.items()
        if w not in plus + minus and (restrict is None or i < restrict)
    }
    got = v.most_similar(plus, minus, count, restrict)
    assert len(got) == min(count, len(cosines)) and {w for w, _ in got} <= cosines.keys()
    if length > 1e-3:
        best = sorted(cosines.values(), reverse=True)[:count]
        assert [s for _, s in got] == pytest.approx(best, abs=1e-3)


def test_questions():
    v = Vectors(["man", "king", "woman", "queen", "cup"],
                [[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1.1, 1], [-1, 0, 0]])  # fmt: skip
    assert v.analogy("man", "king", "woman")[0][0] == "queen"
    assert v.similarity("man", "cup") == pytest.approx(-1)
    assert [w for w, _ in v.most_similar("man", count=2)] == ["king", "woman"]
    assert "king" in v and "prince" not in v and v["cup"].tolist() == [-1, 0, 0]
    for question in (lambda: v["prince"], lambda: v.most_similar("prince"),
                     lambda: v.analogy("man", "king", "prince")):  # fmt: skip
        with pytest.raises(KeyError, match="'prince'"):
            question()
    with pytest.raises(ValueError, match="a word at least"):
        v.most_similar([])
