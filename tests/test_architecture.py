"""The rules of the house that no linter knows, read from the syntax trees of both packages."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted(file for package in ("faceml", "ray_jobs") for file in (ROOT / package).rglob("*.py"))
TREES = {str(file.relative_to(ROOT)): ast.parse(file.read_text(encoding="utf-8")) for file in MODULES}

STUBS = sorted(file for package in ("faceml", "ray_jobs") for file in (ROOT / package).rglob("*.pyi"))
SCRIPTS = {
    str(file): ast.parse(file.read_text(encoding="utf-8"))
    for folder in ("benchmarks", "docs", "tests/flat_backbone", "tests/ordinal_kind")
    for file in (ROOT / folder).glob("*.py")
}

MAX_LINES = 300
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
PLACEHOLDERS = re.compile(
    r"\b(TODO|FIXME|XXX|HACK|TBD|WIP|placeholder|dummy|lorem|NotImplementedError)\b", re.IGNORECASE
)

RAY_METHODS = {"_do_request", "_register_sigint_handler"}
RAY_PRIVATE = re.compile(r"ray(\.\w+)*\._(?!_)")
RAY_STRINGS = re.compile(f"{RAY_PRIVATE.pattern}|checkpoint_manager_snapshot|__internal_head__")

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
    assert {"faceml/tables/schema.py", "faceml/training/loop.py", "ray_jobs/cli/commands.py"} <= TREES.keys()


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


def package_of(module: str) -> str:
    """Return the package below `faceml` or `ray_jobs` that a module is in; the module itself if none."""
    name = ".".join(module.split(".")[:2])
    return name if (ROOT / name.replace(".", "/")).is_dir() else module


def test_packages__are_used_by_others_through_the_names_that_they_export() -> None:
    inner = [
        f"{name}: {node.module}"
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and re.match(r"(faceml|ray_jobs)\.", node.module or "")
        if node.module != package_of(node.module or "")
        if package_of(node.module or "") != package_of(name.removesuffix(".py").replace("/", "."))
    ]
    assert not inner


@pytest.mark.parametrize("stub", STUBS, ids=lambda stub: str(stub.parent.relative_to(ROOT)))
def test_packages__export_what_is_there_and_what_others_use(stub: Path) -> None:
    package = ".".join(stub.parent.relative_to(ROOT).parts)
    exported = importlib.import_module(package)
    assert not [name for name in exported.__all__ if getattr(exported, name, None) is None]
    if "." in package:
        used = {
            alias.name
            for name, tree in (TREES | SCRIPTS).items()
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == package
            for alias in node.names
        }
        used |= public_face_of(package)
        assert set(exported.__all__) <= used


def public_face_of(package: str) -> set[str]:
    """Return the names of a package that `import faceml` offers too."""
    face = ast.parse((ROOT / "faceml/__init__.pyi").read_text(encoding="utf-8"))
    return {
        alias.name
        for node in face.body
        if isinstance(node, ast.ImportFrom) and f"faceml.{node.module}" == package
        for alias in node.names
    }


def test_library__imports_neither_torch_nor_mediapipe_until_they_are_needed() -> None:
    code = "import sys, faceml; print({'torch', 'mediapipe', 'cv2'} & sys.modules.keys())"
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert printed.stdout.strip() == "set()"


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


def ray_internals_in(tree: ast.Module) -> list[str]:
    """Return the private names of Ray that a module imports, overrides or has in a string."""
    imported = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    imported += [
        alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    ]
    attributes = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    private = [name for name in imported + attributes if RAY_PRIVATE.match(name)]
    overridden = [function.name for function, _ in functions(tree) if function.name in RAY_METHODS]
    spelt = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and RAY_STRINGS.search(node.value)
    ]
    return private + overridden + spelt


def test_application__uses_internals_of_ray_in_two_files() -> None:
    assert list(offenders(ray_internals_in)) == [
        "ray_jobs/cluster/local_ray.py",
        "ray_jobs/cluster/ray_internals.py",
    ]


@pytest.mark.parametrize(
    "code",
    [
        "from ray._raylet import PlacementGroupID",
        "from ray.train.v2 import _internal",
        "import ray._private.worker",
        "import ray\nray._private.worker._global_node",
        "class Client(Base):\n    def _do_request(self): ...",
        "import logging\nlogging.getLogger('ray.data._internal.progress')",
        "FILE = 'checkpoint_manager_snapshot.json'",
        "RESOURCE = 'node:__internal_head__'",
    ],
)
def test_ray_internals_in__finds_every_kind_of_use(code: str) -> None:
    assert ray_internals_in(ast.parse(code))


def test_library__logs_and_never_prints() -> None:
    printing = offenders(lambda tree: ["print" for node in ast.walk(tree) if is_call_of("print", node)])
    assert not [name for name in printing if name.startswith("faceml/")]


def test_constraints__hold_both_opencv_packages_at_one_version() -> None:
    """They provide the same module cv2: the one installed last would win."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    versions = dict(line.split("==") for line in lines if line.startswith("opencv"))
    assert versions.keys() == {"opencv-python", "opencv-contrib-python"}
    assert len(set(versions.values())) == 1
