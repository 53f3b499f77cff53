"""Settings of all tests; being here, it also puts tests/ on the path, for `import operations`."""

import os

from hypothesis import HealthCheck, settings

common = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", max_examples=25, **common)
settings.register_profile("ci", max_examples=25, derandomize=True, **common)
settings.load_profile("ci" if os.environ.get("CI") else "default")
