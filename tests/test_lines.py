"""A budget of code lines for each room, as tinygrad's: whoever needs more changes it on purpose."""

import ast
import io
import tokenize
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "minigen"
ROOMS = {
    "tape operation": 271,
    "tape operation tensor differentiation": 524,
    "engine": 629,
    "kernels": 3651,
    "functional": 4257,
    "nn": 2106,
    "optim": 1196,
    "models": 3216,
    "training": 5619,
    "metrics": 600,
    "export": 1274,
    "data": 2173,
    "distributed": 842,
    "explorer": 929,
    "torch_names": 613,
    "torchvision_names": 305,
}


def code_lines(path: Path) -> int:
    """Lines that hold a token outside comments and docstrings."""
    text = path.read_text()
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in (tokenize.COMMENT, tokenize.NL) and token.string.strip():
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and ast.get_docstring(node):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_each_room_keeps_to_its_budget():
    for names, budget in ROOMS.items():
        files = [PACKAGE / f"{name}.py" for name in names.split()]
        files = [f for f in files if f.exists()] or [*(PACKAGE / names).rglob("*.py")]
        used = {str(f.relative_to(PACKAGE)): code_lines(f) for f in files}
        assert sum(used.values()) <= budget, (names, used)


def test_the_cuda_source_keeps_to_its_budget():
    lines = [
        line
        for path in (PACKAGE / "kernels/cuda").glob("*.cu*")
        for line in path.read_text("utf-8").splitlines()
        if line.partition("//")[0].strip()
    ]
    assert 0 < len(lines) <= 735
