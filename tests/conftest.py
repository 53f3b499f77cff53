"""Settings of all tests; being here, it also puts tests/ on the path, for `import operations`."""

import os
import sys
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, settings

if os.environ.get("MINIGEN_ENGINE") == "0":  # tests/test_idea.py; run with -m "not engine"
    sys.modules["minigen.engine"] = None  # importing it fails

os.environ.pop("MINIGEN_LIMITS", None)  # the shipped ones

from minigen import backend
from minigen.kernels import limits

TIMES = int(os.environ.get("MINIGEN_EXAMPLES", "1"))  # tests/matrix.py asks for more

common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=25 * TIMES, **common)
settings.register_profile("ci", max_examples=25 * TIMES, derandomize=True, **common)
settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_modifyitems(items):
    """Tests that say themselves how many examples they try have `TIMES` as many, too."""
    own = "_hypothesis_internal_use_settings"  # Hypothesis has no public name for it
    for test in {item.function for item in items if hasattr(item, "function")}:
        if TIMES > 1 and (said := getattr(test, own, None)):
            setattr(test, own, settings(said, max_examples=TIMES * said.max_examples))


@pytest.fixture
def limit_restored():
    """Whatever limit on threads a test sets, the one that was there comes back."""
    before = backend.threads()
    yield
    backend.limit_threads(before)


@pytest.fixture
def limits_set():
    """A function that sets limits by name until the test ends."""
    with ExitStack() as until_then:
        yield lambda **others: until_then.enter_context(limits.use(**others))


@pytest.fixture
def three_threads(limit_restored):
    backend.limit_threads(3)
