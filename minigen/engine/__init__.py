"""What makes the idea fast and careful, and never different. Take this folder away, and all that
`tape.py`, `operation.py`, `tensor.py` and `differentiation.py` say still holds.

It fills their seams when the package is imported:

| file | seams | what for |
| --- | --- | --- |
| `versions.py` | `save`, `restore`, `same_memory`, `held_outside`, `increment_version` | |
| | | pullbacks refuse what was changed in place since it was kept |
| | `sharers` | a recorded change in place is refused where a view could not follow |
| `memories.py` | | one count of changes for each piece of memory, whoever holds it |
| `calls.py` | `compute`, `observed` | one device; onlookers (profile, anomaly) are told |
| `written.py` | `callable_of` | each operation written out, for when all is as usual |
| `gradients.py` | `empty_sums`, `accumulate` | leaves' gradients by another thread; no idle copy |

`minigen.engine.source(minigen.mul)` shows how an operation was written out.
"""

from minigen.engine import calls, gradients, versions
from minigen.engine.written import source

__all__ = ["calls", "gradients", "source", "versions"]
