"""A few damaged files of each format; `python tests/fuzz_files.py` tries many."""

import pytest
from fuzz_files import formats, fuzz


@pytest.mark.parametrize("kind", formats(), ids=lambda kind: kind.name)
def test_a_damaged_file_is_read_or_refused_as_documented(kind):
    outcome, faults = fuzz(kind, 60)
    assert not faults and outcome["refused"] > 0
