"""Measure how fast the engine is: python demos/benchmark.py SECTION …

What is measured, and all flags, are in demos/benchmark/sections.py, and shown by --help.
"""

from __future__ import annotations

import ctrl_c  # noqa: F401 - first

from benchmark.sections import main

if __name__ == "__main__":
    main()
