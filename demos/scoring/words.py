"""Score word vectors against people's judgements.

Files to compare with are given, or looked for in $MINIGEN_DATA/word-eval and in the cache's
word-eval: pairs of words with a number (WordSim-353, RG-65), and Google's questions-words.txt.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from minigen.data import DataError
from minigen.data.download import folders_of
from minigen.data.vectors import FREQUENT, Vectors
from minigen.metrics.similarity import Section, analogies, total, word_similarity


def evaluate(
    vectors: Vectors, files: Sequence[str] = (), restrict: int = FREQUENT
) -> dict[str, float]:
    """Print how well vectors agree with each file.

    Returns:
        Each file's correlation, or share of right answers, by its name; none where there is none.

    Raises:
        DataError: there is no file, or one cannot be read.
    """
    print(f"{len(vectors):,} words, {vectors.vectors.shape[1]} dimensions; cosine throughout")
    scores = {}
    paths = [Path(file) for file in files] or _files_at_hand()
    questions = [path for path in paths if _first_byte(path) == b":"]
    pairs = [path for path in paths if path not in questions]
    if pairs:
        print("\nSpearman's correlation with people's judgements; pairs with an unknown word are")
        print(f"left out\n  {'file':26}{'correlation':>12}{'pairs':>14}")
    for path in pairs:
        score = word_similarity(vectors, path)
        if math.isnan(score.correlation):
            reason = "too few known pairs" if score.found < 3 else "all known pairs are alike"
            print(f"  {path.name:26}{'–':>12}{score.found:8} of {score.total}: {reason}")
            continue
        scores[path.stem] = score.correlation
        print(f"  {path.name:26}{score.correlation:>12.3f}{score.found:8} of {score.total}")
    for path in questions:
        scores |= _print_analogies(vectors, path, restrict)
    return scores


def _print_analogies(vectors: Vectors, path: Path, restrict: int) -> dict[str, float]:
    limits = [restrict, None] if len(vectors) > restrict else [None]
    print(f"\nanalogies of {path.name}: a is to b as c is to the word nearest to b - a + c")
    print("(3CosAdd), given words left out; only questions of known words are answered\n")
    tables = [analogies(vectors, path, limit) for limit in limits]
    names = [f"{limit:,} most frequent" if limit else "all words" for limit in limits]
    print(f"  {'':30}" + "".join(f"{name:>32}" for name in names))
    print(f"  {'section':30}" + f"{'right':>14}{'answered':>18}" * len(limits))
    for sections in zip(*[[*table, total(table)] for table in tables], strict=True):
        print(f"  {sections[0].name:30}" + "".join(map(_columns, sections)))
    known = [f"{limit:,}" if limit else "all" for limit in limits]
    found = zip(known, tables, strict=True)
    return {
        f"{path.stem}, {name}": total(table).accuracy
        for name, table in found
        if total(table).answered
    }


def _columns(section: Section) -> str:
    share = f"{section.accuracy:.1%}" if section.answered else "–"
    return f"{share:>14}{f'{section.answered} of {section.total}':>18}"


def _files_at_hand() -> list[Path]:
    folders = folders_of("word-eval")
    for folder in folders:
        found = [p for p in sorted(folder.glob("*.txt")) if not p.name.startswith("LICENSE")]
        if found:
            return found
    raise DataError(
        f"nothing to compare with: there is no .txt in {' and none in '.join(map(str, folders))}."
        " Put WordSim-353, RG-65 or questions-words.txt there, or give files"
    )


def _first_byte(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
