"""Bytes and seconds as people read them."""

from minigen.units import human_bytes, human_seconds


def test_bytes_are_rounded_to_three_digits():
    counts = [0, 999, 999.6, 1e3, 1284, 999_600, 2.5e9, 4e15]
    texts = ["0 B", "999 B", "1 kB", "1 kB", "1.28 kB", "1 MB", "2.5 GB", "4,000 TB"]
    assert [human_bytes(c) for c in counts] == texts


def test_seconds_are_rounded_to_three_digits():
    times = [0, 1.234e-6, 999.4e-6, 999.6e-6, 0.0325, 0.9999, 1, 3600]
    texts = ["0 µs", "1.23 µs", "999 µs", "1 ms", "32.5 ms", "1 s", "1 s", "3,600 s"]
    assert [human_seconds(t) for t in times] == texts
