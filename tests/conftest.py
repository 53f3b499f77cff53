"""Settings of all tests; being here, it also puts tests/ on the path, for `import operations`."""

import os

import pytest
from hypothesis import HealthCheck, settings

from minigen import backend

common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=25, **common)
settings.register_profile("ci", max_examples=25, derandomize=True, **common)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture
def limit_restored():
    """Whatever limit on threads a test sets, the one that was there comes back."""
    before = backend.threads()
    yield
    backend.limit_threads(before)


@pytest.fixture
def three_threads(limit_restored):
    backend.limit_threads(3)
