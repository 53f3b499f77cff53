"""No module takes another's private names."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
OF_OTHERS = {"sys", "_exit", "_asdict", "_replace", "_fields"}  # with an underscore, yet documented


def private_names_of_others(text):
    """Those that are imported, and those that are taken from what was imported, classes aside."""
    found, modules, private = [], set(), lambda name: name[:1] == "_" and name[:2] != "__"
    nodes = [*ast.walk(ast.parse(text))]
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules |= {(a.asname or a.name).partition(".")[0] for a in node.names}
        if isinstance(node, ast.ImportFrom):
            found += [a.name for a in node.names if private(a.name)]
    for node in nodes:
        if isinstance(node, ast.Attribute) and private(node.attr) and node.attr not in OF_OTHERS:
            root = ast.unparse(node.value).partition(".")[0]
            found += [node.attr] if root in modules - OF_OTHERS and root.islower() else []
    return found


def test_no_module_takes_anothers_private_names():
    for file in [*(ROOT / "minigen").rglob("*.py"), *(ROOT / "demos").rglob("*.py")]:
        taken = private_names_of_others(file.read_text(encoding="utf-8"))
        assert not taken, f"{file} takes {taken}: give them public names where they are defined"
