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
def three_threads():
    before = backend.threads()
    backend.limit_threads(3)
    yield
    backend.limit_threads(before)
