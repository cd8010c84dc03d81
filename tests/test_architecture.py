"""The house rules that a machine can read: arrows point down, public names exist, every error is in the tree."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import t2disc
from t2disc import errors

PACKAGE = Path(t2disc.__file__).parent
ROOMS = {"ingest", "register", "segment", "fit", "measure", "qc", "store", "simulate"}
RANK = {"errors": 0, "model": 1, **dict.fromkeys(ROOMS, 2), "study": 3, "batch": 4, "cli": 5, "": 6}
"""Higher may import lower; equal only itself. The empty name is the face: ``t2disc/__init__`` and ``__main__``."""
FACE_NAMES = {"__version__"}  # the one thing any room may take from the face
HEAVY_HOME = {
    "SimpleITK": {"register"},
    "matplotlib": {"qc"},
    "skimage": {"segment", "register", "fit", "simulate", "qc"},
    "pydantic": {"model", "study"},  # study turns its errors into ours
    "typer": {"cli"},
    "rich": {"cli"},
    "onnxruntime": {"segment"},
    "dask": {"batch"},
    "distributed": {"batch"},
}
"""Rooms in which a heavy package may be imported as a module is loaded."""
DRAWING_CALLERS = {"study", "store", "cli"}  # these may import matplotlib inside a function that saves a picture
MODULES = sorted(PACKAGE.rglob("*.py"))
Import = tuple[str, str, bool]  # module, name taken from it ("" for the module itself), is it in a function


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The part of the house a module belongs to: ``t2disc.fit.run`` -> ``fit``; ``t2disc`` itself -> the face."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] != "__main__" else ""


def imports_of(tree: ast.Module, module: str, is_package: bool) -> Iterator[Import]:
    """Every import of a module, at its top, inside functions and under TYPE_CHECKING, with relative names resolved."""
    inside = {id(node) for function in ast.walk(tree) if is_function(function) for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "", id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolved(node, module, is_package)
            yield from ((source, alias.name, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.Call) and called_name(node) in {"import_module", "__import__"}:
            yield from ((arg.value, "", id(node) in inside) for arg in node.args[:1] if is_text(arg))


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def called_name(node: ast.Call) -> str:
    return getattr(node.func, "id", getattr(node.func, "attr", ""))


def resolved(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def wrong_arrows(source: str, module: str, is_package: bool = False) -> list[str]:
    """The imports of one module that point up or sideways in the house."""
    own = room_of(module)
    wrong = []
    for target, name, _ in imports_of(ast.parse(source), module, is_package):
        if target != "t2disc" and not target.startswith("t2disc."):
            continue
        room = name if target == "t2disc" and name in RANK else room_of(target)
        if target == "t2disc" and name in FACE_NAMES:
            continue
        if room not in RANK or (room != own and RANK[room] >= RANK[own]):
            wrong.append(f"{module} -> {target}{'.' + name if name else ''}")
    return wrong


def misplaced(source: str, module: str, is_package: bool = False) -> list[str]:
    """The heavy packages a module imports outside their room."""
    own = room_of(module)
    wrong = []
    for target, _, in_function in imports_of(ast.parse(source), module, is_package):
        package = target.split(".")[0]
        if package not in HEAVY_HOME or own in HEAVY_HOME[package]:
            continue
        if package == "matplotlib" and own in DRAWING_CALLERS and (in_function or checks_types_only(source, target)):
            continue
        wrong.append(f"{module} -> {target}")
    return wrong


def checks_types_only(source: str, target: str) -> bool:
    """Whether a module names ``target`` under ``if TYPE_CHECKING:`` and nowhere else at its top level."""
    tops = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return not any(target in (getattr(node, "module", None), *(a.name for a in node.names)) for node in tops)


def leaves() -> list[type[errors.T2DiscError]]:
    every = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.T2DiscError)]
    return [kind for kind in every if not kind.__subclasses__()]


def drawn_tree() -> dict[str, set[str]]:
    """The tree of the docstring: the codes that stand beside each branch."""
    tree: dict[str, set[str]] = {}
    branch = ""
    for line in (errors.__doc__ or "").splitlines():
        text = line.strip("│├└─ ")
        if found := re.match(r"([A-Z]\w*Error)\b", text):
            branch = found[1]
            text = text[found.end() :]
        if branch:
            tree.setdefault(branch, set()).update(re.findall(r"(?<![\w-])[a-z0-9]+(?:-[a-z0-9]+)+(?![\w-])", text))
    return tree


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in memory after a statement in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


# ------------------------------------------------------------------------------------------------ arrows
@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_down(path):
    assert not wrong_arrows(path.read_text("utf-8"), module_name(path), path.name == "__init__.py")


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("t2disc.fit.run", "from t2disc.segment import find_discs"),
        ("t2disc.fit.run", "import t2disc.study"),
        ("t2disc.fit.run", "from t2disc import find_discs"),
        ("t2disc.fit.run", "from t2disc import store"),
        ("t2disc.fit.run", "import t2disc"),
        ("t2disc.fit.run", "def f():\n    from t2disc.qc.views import outline"),
        ("t2disc.fit.run", "if TYPE_CHECKING:\n    from t2disc.qc import plot_decay"),
        ("t2disc.fit.run", "from ..segment import find_discs"),
        ("t2disc.fit.run", "from importlib import import_module\nimport_module('t2disc.segment')"),
        ("t2disc.study.visits", "from t2disc.cli import main"),
        ("t2disc.model.stack", "from t2disc.fit import fit_t2"),
        ("t2disc.errors", "from t2disc.model import Flag"),
        ("t2disc.fit.run", "from t2disc.attic import anything"),
    ],
)
def test_an_arrow_that_points_up_or_sideways_is_seen(module, source):
    assert len(wrong_arrows(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("t2disc.fit.run", "from t2disc.model.protocol import FitSettings"),
        ("t2disc.fit.run", "from t2disc.fit.noise import estimate_noise"),
        ("t2disc.fit.run", "from .noise import estimate_noise\nfrom ..errors import UsageError"),
        ("t2disc.store.dataset", "from t2disc import __version__"),
        ("t2disc.study.story", "from t2disc.fit import fit_t2\nfrom t2disc import store"),
        ("t2disc.cli", "from t2disc.batch import run\nimport numpy"),
    ],
)
def test_an_arrow_that_points_down_is_allowed(module, source):
    assert not wrong_arrows(source, module)


def test_relative_imports_of_a_room_s_face_are_resolved_from_the_room():
    assert wrong_arrows("from .run import fit_t2", "t2disc.fit", is_package=True) == []
    assert wrong_arrows("from ..qc import views", "t2disc.fit", is_package=True) == ["t2disc.fit -> t2disc.qc.views"]


def test_every_part_of_the_house_has_its_place():
    parts = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir() if is_part(path)}
    assert parts <= {*RANK, "__init__", "__main__"}


def is_part(path: Path) -> bool:
    return path.suffix == ".py" or (path.is_dir() and any(path.glob("*.py")))


def test_no_module_is_a_drawer_for_odds_and_ends():
    odds_and_ends = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "shared", "base"}
    assert not [
        path.name for path in MODULES if {part.strip("_") for part in path.with_suffix("").parts[-2:]} & odds_and_ends
    ]


# ------------------------------------------------------------------------------------------------ weight
@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_heavy_packages_are_imported_in_their_own_room_only(path):
    assert not misplaced(path.read_text("utf-8"), module_name(path), path.name == "__init__.py")


def test_a_heavy_package_outside_its_room_is_seen():
    assert misplaced("import SimpleITK as sitk", "t2disc.fit.run") == ["t2disc.fit.run -> SimpleITK"]
    assert misplaced("from matplotlib.figure import Figure", "t2disc.study.story")
    assert misplaced("def f():\n    import matplotlib", "t2disc.fit.run")
    assert not misplaced("def f():\n    import matplotlib", "t2disc.study.story")
    assert not misplaced("if TYPE_CHECKING:\n    from matplotlib.figure import Figure", "t2disc.store.files")


def test_importing_t2disc_loads_nothing_heavy_not_even_numpy():
    heavy = {"numpy", "scipy", "pydicom", "nibabel", "SimpleITK", "skimage", "matplotlib", "pydantic", "typer", "rich"}
    assert not loaded_by("import t2disc") & heavy
    assert not loaded_by("import t2disc.errors") & heavy


def test_the_model_needs_numpy_alone():
    loaded = loaded_by("import t2disc.model")
    assert "numpy" in loaded
    assert not loaded & {"scipy", "pydicom", "nibabel", "SimpleITK", "skimage", "matplotlib", "pydantic"}


@pytest.mark.parametrize("room", ["segment", "measure"])
def test_rooms_of_plain_numbers_need_numpy_alone(room):
    heavy = {"scipy", "pydicom", "nibabel", "SimpleITK", "skimage", "matplotlib", "pydantic"}
    assert not loaded_by(f"import t2disc.{room}") & heavy


# ------------------------------------------------------------------------------------------------ public names
@pytest.mark.parametrize("name", t2disc.__all__)
def test_every_public_name_can_be_imported(name):
    assert getattr(t2disc, name) is not None


def test_public_names_are_those_that_have_a_home_and_those_type_checkers_see():
    (checked,) = [
        node for node in ast.parse((PACKAGE / "__init__.py").read_text("utf-8")).body if isinstance(node, ast.If)
    ]
    seen = {a.name: n.module.split(".")[1] for n in checked.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert seen == t2disc._HOME
    assert {*seen, "__version__"} == set(t2disc.__all__)
    assert {*t2disc.__all__, *(room for room in RANK if room not in ("", "cli"))} == set(dir(t2disc))
    assert len(set(t2disc.__all__)) == len(t2disc.__all__)


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'fit_t3'"):
        t2disc.fit_t3  # noqa: B018


@pytest.mark.parametrize("room", sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py")))
def test_the_face_of_a_room_names_only_what_it_has(room):
    face = importlib.import_module(f"t2disc.{room}")
    assert [name for name in getattr(face, "__all__", []) if not hasattr(face, name)] == []


# ------------------------------------------------------------------------------------------------ errors
def test_every_error_has_its_own_code():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.T2DiscError)]
    codes = [kind.code for kind in kinds]
    assert len(kinds) > 40
    assert sorted(codes) == sorted(set(codes))
    assert all("code" in vars(kind) for kind in kinds)


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_every_error_stands_in_the_drawn_tree_beside_its_parent(kind):
    parent = kind if kind is errors.InternalError else kind.__mro__[1]
    assert kind.code in drawn_tree()[parent.__name__]


def test_the_drawn_tree_holds_no_code_that_no_error_has():
    drawn = set().union(*drawn_tree().values())
    assert drawn == {kind.code for kind in leaves()}


@pytest.mark.parametrize("kind", leaves(), ids=lambda kind: kind.__name__)
def test_every_error_is_named_after_its_code_and_says_what_to_do(kind):
    assert re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower() == kind.code
    assert kind.todo
    assert str(kind("three things")).startswith(f"[{kind.code}] found three things")


def test_every_refusal_is_raised_somewhere():
    """A code that the docs promise and nothing raises is a promise that is not kept."""
    words = {word for path in MODULES if path.name != "errors.py" for word in re.findall(r"\w+", path.read_text())}
    assert [kind.__name__ for kind in leaves() if kind.__name__ not in words] == []


def test_the_modules_that_the_page_of_the_architecture_names_are_there():
    root = PACKAGE.parent
    page = root / "docs" / "architecture.md"
    if not page.exists():
        pytest.skip("docs are not installed with the package")
    named = {name for name in re.findall(r"`([\w/*.]+)`", page.read_text()) if "/" in name or name.endswith(".py")}
    assert len(named) > 40
    assert [name for name in sorted(named) if not any(any(at.glob(name)) for at in _places(root, name))] == []


def _places(root: Path, name: str) -> list[Path]:
    """Return where a name of the page may lie: below the package or the repository, or, bare, in any room."""
    return [PACKAGE, root] if "/" in name else [path.parent for path in MODULES]


def test_rooms_can_be_reached_from_the_package_without_a_second_import():
    code = "import t2disc; t2disc.fit.fit_voxels; t2disc.simulate.simulate_study; t2disc.errors.T2DiscError"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
