"""The rules of the house that no linter knows, read from the syntax trees of both packages."""

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = sorted(file for package in ("faceml", "ray_jobs") for file in (ROOT / package).rglob("*.py"))
TREES = {str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8")) for file in MODULES}

MAX_LINES = 300
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
PLACEHOLDERS = re.compile(
    r"\b(TODO|FIXME|XXX|HACK|TBD|WIP|placeholder|dummy|lorem|NotImplementedError)\b", re.IGNORECASE
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(tree: ast.Module) -> Iterator[tuple[Function, bool]]:
    """Yield every function, nested ones included, and whether `self` or `cls` comes first."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in child.decorator_list)
                yield child, isinstance(node, ast.ClassDef) and not static


def unannotated(tree: ast.Module) -> Iterator[str]:
    for function, is_method in functions(tree):
        arguments = function.args
        given = [*arguments.posonlyargs, *arguments.args][int(is_method) :]
        given += [*arguments.kwonlyargs, *(a for a in (arguments.vararg, arguments.kwarg) if a)]
        yield from (f"{function.name}({argument.arg})" for argument in given if argument.annotation is None)
        if function.returns is None:
            yield f"{function.name} ->"


def top_level_imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def is_call_of(name: str, node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def offenders(rule: Callable[[ast.Module], Sequence[object]]) -> dict[str, Sequence[object]]:
    """Return what breaks a rule, by module."""
    return {name: found for name, tree in TREES.items() if (found := rule(tree))}


def undocumented(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Yield public classes and functions without a docstring; what is inside a function is not public."""
    for node in body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None:
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node.body, f"{prefix}{node.name}.")


def test_modules__are_found() -> None:
    assert {"faceml/tables/schema.py", "faceml/training/loop.py", "ray_jobs/cli.py"} <= TREES.keys()


def test_modules__have_no_try() -> None:
    assert not offenders(
        lambda tree: [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Try | ast.TryStar)]
    )


def test_modules__are_short_enough_to_be_read_at_once() -> None:
    lengths = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in TREES}
    assert not {name: length for name, length in lengths.items() if length >= MAX_LINES}


def test_modules__annotate_every_argument_and_return() -> None:
    assert not offenders(lambda tree: list(unannotated(tree)))


def test_modules__import_absolutely() -> None:
    assert not offenders(
        lambda tree: [n.lineno for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level > 0]
    )


def test_modules__document_themselves_and_what_is_public() -> None:
    assert not offenders(lambda tree: [] if ast.get_docstring(tree) else ["the module"])
    assert not offenders(lambda tree: list(undocumented(tree.body)))


def test_modules__have_names_that_say_something() -> None:
    words = {name: set(re.split(r"[/_.]", name)) for name in TREES}
    assert not [name for name in TREES if words[name] & VAGUE_NAMES]


def test_modules__hold_no_placeholders() -> None:
    assert not [name for name in TREES if PLACEHOLDERS.search((ROOT / name).read_text(encoding="utf-8"))]


def test_library__never_imports_the_application_or_ray() -> None:
    importing = offenders(lambda tree: sorted({"ray", "ray_jobs"} & top_level_imports(tree)))
    assert not [name for name in importing if name.startswith("faceml/")]


def test_library__imports_mediapipe_in_one_file() -> None:
    importing = [name for name, tree in TREES.items() if "mediapipe" in top_level_imports(tree)]
    assert importing == ["faceml/landmarks/mediapipe_detector.py"]


def test_library__imports_mlflow_in_one_file_and_that_file_only_where_it_is_asked_for() -> None:
    importing = [name for name, tree in TREES.items() if "mlflow" in top_level_imports(tree)]
    assert importing == ["faceml/runs/mlflow_run.py"]
    at_start = offenders(
        lambda tree: [
            n for n in tree.body if "mlflow_run" in ast.dump(n) and isinstance(n, ast.Import | ast.ImportFrom)
        ]
    )
    assert not at_start


def test_library__logs_and_never_prints() -> None:
    printing = offenders(lambda tree: ["print" for node in ast.walk(tree) if is_call_of("print", node)])
    assert not [name for name in printing if name.startswith("faceml/")]


def test_constraints__hold_both_opencv_packages_at_one_version() -> None:
    """They provide the same module cv2: the one installed last would win."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    versions = dict(line.split("==") for line in lines if line.startswith("opencv"))
    assert versions.keys() == {"opencv-python", "opencv-contrib-python"}
    assert len(set(versions.values())) == 1
