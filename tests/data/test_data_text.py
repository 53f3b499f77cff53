"""Corpora: vocabulary, streaming, and files as they come."""

import bz2
import collections
import gzip
import io
import lzma
import re
import unicodedata
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigen.data import DataError, download
from minigen.data import text as T
from minigen.data.text import Corpus, corpus, docstrings, letters, text_pieces
from minigen.data.vectors import Vectors

texts = st.text(st.sampled_from("ab cdé\n,.1'Ça"), max_size=60)


# Words of at most a dozen characters, and what parts them or stands between.
scraps = st.sampled_from([
    "the", "Käse", "हिन्दी", "re\u0301sume\u0301", "İstanbul", "שָׁלוֹם",
    "می\u200cخواهم", "ΣΑΣ", "a\u0323\u0307", "日本", "가각", "co\xadop",
    "1", "\u0301", "\u200d", "\ufeff", "'", "，", "_",
    " ", "\t", "\r\n", "\x85", "\u2028", "\u3000", "\xa0", "\u200b",
])  # fmt: skip


@pytest.mark.parametrize("text, words", [
    ("हिन्दी में", ["हिन्दी", "में"]), ("re\u0301sume\u0301", ["résumé"]),
    ("שָׁלוֹם־עוֹלָם", ["שָׁלוֹם", "עוֹלָם"]),
    ("T\u0308X", ["\u1e97x"]), ("İstanbul I\u0307L", ["i\u0307stanbul", "i\u0307l"]),
    ("می\u200cخواهم", ["می\u200cخواهم"]),
    ("a\u200d\u200c b\u200b\u200dc", ["a", "b", "c"]), ("co\xadop\u200e", ["coop"]),
    ("\ufeffthe", ["the"]), ("1\u0301 \u0301x _\u0301", ["x"]),
    ("don't l’été", ["don", "t", "l", "été"]),
    ("a\tb\u3000c\x85d\u2028e\0f\ufffdg", list("abcdefg")), ("ΟΔΟΣ\tΣ", ["οδος", "σ"]),
])  # fmt: skip
def test_marks_belong_to_their_letters_and_joiners_join(text, words):
    assert letters(text) == words == letters(unicodedata.normalize("NFD", text))


@given(st.lists(scraps).map("".join))
def test_equivalent_texts_have_equal_words(text):
    composed, decomposed = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert letters(text) == letters(composed) == letters(decomposed)


@given(st.lists(scraps), st.integers(12, 40), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_words_do_not_depend_on_how_a_file_is_read(tmp_path_factory, found, size, encoding):
    path = tmp_path_factory.getbasetemp() / "text"
    text = " ".join(found)  # no run without white space is as long as a piece
    path.write_bytes(text.encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(T, "PIECE", size)
        pieces = list(text_pieces(path))
    assert max(map(len, pieces)) <= size
    assert [w for p in pieces for w in letters(p)] == letters(text)
    assert [w for p in pieces for w in p.split()] == text.replace("\ufeff", "").split()


@given(texts)
def test_words_are_runs_of_letters_in_lower_case(text):
    assert letters(text) == re.findall(r"[^\W\d_]+", text.lower())


@given(st.lists(texts), st.integers(1, 3), st.one_of(st.none(), st.integers(1, 3)))
def test_a_corpus_is_its_text_without_rare_words(pieces, min_count, limit):
    words = [word for piece in pieces for word in letters(piece)]
    counts = collections.Counter(words)
    kept = [word for word, n in counts.most_common(limit) if n >= min_count]
    if not kept:
        with pytest.raises(DataError, match="give more text"):
            Corpus(pieces, min_count, limit=limit)
        return
    c = Corpus(pieces, min_count, limit=limit)
    assert c.words == kept and c.counts.tolist() == [counts[word] for word in kept]
    assert len(c) == len(words) and c.types == len(counts)
    rows = c.read(0, len(c))
    assert rows.dtype == np.int32
    assert [c.words[row] for row in rows] == [word for word in words if word in kept]
    halves = [c.read(0, len(c) // 2), c.read(len(c) // 2, len(c))]
    assert np.array_equal(np.concatenate(halves), rows)


@pytest.mark.parametrize("size", [7, 64, 1 << 20])
@pytest.mark.parametrize("ending, opener", [
    (".txt", open), (".gz", gzip.open), (".xz", lzma.open), ("", open),
])  # fmt: skip
def test_files_are_read_in_pieces_that_cut_no_word(tmp_path, monkeypatch, ending, opener, size):
    monkeypatch.setattr(T, "PIECE", size)
    text = "Der Käse, the cheese\nund  étude\tl'été. " * 20
    path = tmp_path / f"text{ending}"
    with opener(path, "wb") as file:
        file.write(text.encode())
    pieces = list(text_pieces(path))
    assert "".join(pieces) == text and max(map(len, pieces)) <= 3 * size
    assert [w for p in pieces for w in letters(p)] == letters(text)


def test_a_text_without_spaces_does_not_pile_up(tmp_path, monkeypatch):
    monkeypatch.setattr(T, "PIECE", 16)
    path = tmp_path / "text"
    path.write_text("x" * 1000)
    assert max(map(len, text_pieces(path))) == 16


@pytest.mark.parametrize("text, words", [
    (" " + "x" * 50_000 + "\té", ["x" * 1000, "é"]),  # of a word without an end, the beginning
    ("é，" * 30_000, ["é"] * 30_000), ("e\u0301" * 20_000, ["é" * 1000]),
])  # fmt: skip
def test_a_word_without_an_end_is_read_piece_by_piece(tmp_path, monkeypatch, text, words):
    (tmp_path / "text").write_text(text)
    for size in (5000, 7001):
        monkeypatch.setattr(T, "PIECE", size)
        assert max(map(len, text_pieces(tmp_path / "text"))) <= size
        c = corpus(tmp_path / "text", 1)
        assert [c.words[row] for row in c.read(0, len(c))] == words
        Vectors(c.words, np.zeros((len(c.words), 1))).save(tmp_path / "vectors")


@pytest.mark.parametrize("content", [
    b"\xef\xbb\xbfthe cat", "the cat".encode("utf-16"), b"\xfe\xff" + "the cat".encode("utf-16-be"),
    "the cat".encode("utf-32"), b"the\xef\xbb\xbf \xef\xbb\xbfcat", lzma.compress(b"the cat"),
    gzip.compress(b"the cat", mtime=0), gzip.compress("the cat".encode("utf-16"), mtime=0),
    b"the\0\xa0\xff cat",
])  # fmt: skip
def test_what_a_file_is_shows_at_its_beginning(tmp_path, content):
    (tmp_path / "text").write_bytes(content)
    assert corpus(tmp_path / "text", 1).words == ["the", "cat"]
    if b"\xff cat" not in content:
        assert corpus(tmp_path / "text", 1, as_is=True).words == ["the", "cat"]


def test_as_is_words_are_what_white_space_separates(tmp_path):
    path = tmp_path / "text"
    path.write_text("Don't stop! Don't STOP!")
    assert corpus(path, 1, as_is=True).words == ["Don't", "stop!", "STOP!"]
    assert corpus(path, 1).words == ["don", "t", "stop"]


def test_bytes_that_are_no_text_separate_words(tmp_path):
    path = tmp_path / "text"
    path.write_bytes(b"one \xff\xfetwo\xc3 one")
    assert corpus(path, 1).words == ["one", "two"]


@pytest.mark.parametrize("name, content", [
    ("text.gz", b"no gzip"), ("text.xz", b"no xz"),
    ("text.gz", gzip.compress(b"word " * 1000, mtime=0)[:40]),
    ("text.xz", lzma.compress(b"word " * 1000)[:80]),
    ("utf-16.txt", "the cat sat".encode("utf-16-le")), ("a.zip", b"PK\3\4" + b"word " * 99),
    ("empty.txt", b""), ("digits.txt", b"1 2 3 4 5 1 2 3"), ("missing", None),
])  # fmt: skip
def test_a_file_that_is_no_text_is_named(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=name):
        corpus(path, 1)


@pytest.mark.parametrize("options", [{"min_count": 0}, {"limit": 0}])
def test_numbers_below_one_are_refused(options):
    with pytest.raises(DataError, match=f"{next(iter(options))} must be 1 or more, not 0"):
        Corpus(["a b"], **options)


def test_a_full_disk_is_said(monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(T.tempfile, "TemporaryFile", Full)
    with pytest.raises(DataError, match="No space left on device. Set TMPDIR"):
        Corpus(["a b"], 1)


@pytest.fixture
def small_text8(tmp_path, monkeypatch):
    """A text8 of twelve bytes, and a publisher that hands out what it is told to."""
    import hashlib

    text = b" a bc a bc a"
    monkeypatch.setattr(T, "TEXT8_SIZE", len(text))
    monkeypatch.setattr(T, "TEXT8_MD5", hashlib.md5(text).hexdigest())
    monkeypatch.setenv("MINIGEN_CACHE", str(tmp_path))
    monkeypatch.delenv("MINIGEN_DATA", raising=False)

    def publish(content=text, member="text8", whole=True):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, content)
        data = data.getvalue() if whole else data.getvalue()[:-30]
        monkeypatch.setattr(download, "fetch", lambda url: data)

    return publish


def test_text8_is_downloaded_once_and_checked(small_text8, tmp_path, monkeypatch):
    small_text8()
    assert corpus("text8", 1).words == ["a", "bc"]
    monkeypatch.setattr(download, "fetch", None)  # no second time
    assert corpus("text8", 1).counts.tolist() == [3, 2]
    (tmp_path / "text8" / "text8.zip").write_bytes(b"damaged")
    with pytest.raises(DataError, match="Delete it"):
        corpus("text8")


@pytest.mark.parametrize("how", [
    {"content": b" a bc a bd a"}, {"content": b"a" * 500}, {"member": "other"}, {"whole": False},
])  # fmt: skip
def test_another_text8_is_refused_and_not_kept(small_text8, tmp_path, how):
    small_text8(**how)
    with pytest.raises(DataError, match="text8"):
        corpus("text8")
    assert not list(tmp_path.iterdir())


def test_without_a_network_text8_says_what_to_do(small_text8, monkeypatch):
    def fail(url):
        raise OSError("no route to host")

    monkeypatch.setattr(download, "fetch", fail)
    with pytest.raises(DataError, match="no route to host.*Try again, or put text8.zip into"):
        corpus("text8")


SOURCE = '''
"""Module."""
raise SystemExit("docstrings are read, not run")
class A:
    """Class."""
    def f(self):
        """Method."""
        x = """no docstring"""
if True:
    try:
        def g():
            "Nested \\d."
    except ValueError:
        async def h():
            """Handler."""
'''


def test_docstrings_are_read_and_not_run(tmp_path):
    path = tmp_path / "source.py"
    path.write_text(SOURCE)
    expected = ["Module.", "Class.", "Method.", "Nested \\d.", "Handler."]
    assert sorted(docstrings(path)) == sorted(expected)
    for broken in (b"def f(:", b"\x00", b"\xff", b"(" * 5000):
        path.write_bytes(broken)
        assert list(docstrings(path)) == []


def test_the_documentation_leaves_out_tests(tmp_path, monkeypatch):
    for name in ("a.py", "tests/b.py", "deep/c.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'"""in {name}"""')
    monkeypatch.setattr(T.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    monkeypatch.setattr(T, "DOCUMENTED", ())
    found = [text for text in T.documentation() if text.startswith("in ")]
    assert found == ["in a.py", "in deep/c.py"]


@pytest.mark.parametrize("pack", [bz2.compress, lambda text: gzip.compress(gzip.compress(text))])
def test_what_is_packed_otherwise_or_twice_is_no_text(tmp_path, pack):
    letters = np.random.default_rng(0).integers(97, 123, 9000).astype(np.uint8).tobytes()
    (tmp_path / "text").write_bytes(pack(letters))
    with pytest.raises(DataError, match="control characters of no text: unpack it"):
        corpus(tmp_path / "text", 1)
    (tmp_path / "text").write_bytes(("Größe café\n\t" * 500).encode("latin-1"))
    assert corpus(tmp_path / "text", 1).words  # of another encoding, yet a text
