"""Who imports whom: folders of the package form layers, and the page's modules do without torch."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import cotdemo

ROOT = Path(cotdemo.__file__).parent
MODULES = {
    (*file.relative_to(ROOT).with_suffix("").parts,): ast.parse(file.read_text(encoding="utf-8"))
    for file in ROOT.rglob("*.py")
}


def imported(module: tuple[str, ...], node: ast.AST) -> Iterator[str]:
    """Full names that one import statement of ``module`` names; those of this package begin with "cotdemo."."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        # one dot is the module's own folder, which for an __init__ is what its last part stands for
        home = ".".join(("cotdemo", *module)[: -node.level]) if node.level else ""
        base = ".".join(part for part in (home, node.module or "") if part)
        yield from (f"{base}.{alias.name}" for alias in node.names)


def imports(module: tuple[str, ...], anywhere: bool = True) -> set[str]:
    """What a module imports, within functions too unless not ``anywhere``."""
    tree = MODULES[module]
    nodes = ast.walk(tree) if anywhere else tree.body
    return {name for node in nodes for name in imported(module, node)}


def unit(name: str) -> str:
    """The folder of a name of this package, or its module where it lies at the top."""
    return name.split(".")[1]


def graph() -> dict[str, set[str]]:
    """Folder or top-level module -> those that it imports, whenever it does."""
    units = {module[0] for module in MODULES}
    found: dict[str, set[str]] = {one: set() for one in units}
    for module in MODULES:
        used = {unit(name) for name in imports(module) if name.startswith("cotdemo.")}
        found[module[0]] |= (used & units) - {module[0]}
    return found


def cycle(of: dict[str, set[str]]) -> list[str]:
    """Some cycle of a graph, or nothing."""
    done: set[str] = set()

    def walk(trail: list[str]) -> list[str]:
        for other in sorted(of[trail[-1]] - done):
            if other in trail:
                return [*trail[trail.index(other) :], other]
            if found := walk([*trail, other]):
                return found
        done.add(trail[-1])
        return []

    return next((found for one in sorted(of) if one not in done and (found := walk([one]))), [])


def test_a_cycle_is_found_where_there_is_one():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


def test_what_the_package_imports_is_seen():
    of = graph()
    assert "search" in of["evaluation"] and "errors" in of["search"] and len(of) > 10


def test_no_folder_imports_another_that_imports_it():
    assert cycle(graph()) == []


def test_no_module_imports_both_torch_and_gradio():
    both = [
        ".".join(module)
        for module in MODULES
        if {"torch", "gradio"} <= {name.split(".")[0] for name in imports(module)}
    ]
    assert both == []


def test_the_page_reads_measured_figures_by_one_door():
    """Of the evaluation's modules it knows the one that reads results."""
    used = {name for module in MODULES if module[0] == "ui" for name in imports(module)}
    doors = {name.split(".")[2] for name in used if name.startswith("cotdemo.evaluation.")}
    assert doors <= {"results"}


def test_a_function_is_read_without_scrolling():
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    long = [
        f"{'.'.join(module)}.{node.name}"
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, kinds) and node.end_lineno - node.lineno + 1 > 60
    ]
    assert long == []
