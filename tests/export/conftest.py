"""The demos are run by what tests/demos has for that."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "demos"))
