"""Ctrl-C while a demo is still being imported ends it in one line, as it does later on (see
`minigen.training.script`), and so does nonsense in a variable of the environment, such as
MINIGEN_THREADS, which is read then. Each demo imports this first. Before that, while Python itself
starts, a hundredth of a second, there may be a traceback.
"""

import os
import signal
import sys
from types import TracebackType


def _in_one_line(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    name = os.path.basename(sys.argv[0])
    if issubclass(kind, ValueError) and str(error).startswith("MINIGEN_"):
        print(f"{name}: {error}", file=sys.stderr)
        return
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end itself is not interrupted
    print(f"\n{name}: stopped", file=sys.stderr)
    sys.exit(130)


sys.excepthook = _in_one_line
