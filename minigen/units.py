"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def human_bytes(count: float) -> str:
    """Bytes, in the unit that leaves three digits at most."""
    return _in_one_of(count, ("B", "kB", "MB", "GB", "TB"))


def human_seconds(seconds: float) -> str:
    """Seconds, in the unit that leaves three digits at most."""
    return _in_one_of(seconds * 1e6, ("µs", "ms", "s"))


def _in_one_of(value: float, units: Sequence[str]) -> str:
    """In the first of units, each a thousand of the one before, in which it is below 1,000."""
    unit = 0
    while value >= 999.5 and unit < len(units) - 1:
        value, unit = value / 1000, unit + 1
    return f"{value:.3g} {units[unit]}" if value < 999.5 else f"{value:,.0f} {units[unit]}"
