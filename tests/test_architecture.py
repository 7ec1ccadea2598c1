"""The shape of the house: imports point down, each heavy library has one owner, and the root stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import smrt_jupyter

PACKAGE = Path(smrt_jupyter.__file__).parent
README = PACKAGE.parent / "README.md"
MODULES = {
    ".".join(("smrt_jupyter", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}

# From the ground up: a module imports from its own floor and those below. A dot at the end stands for a whole folder.
FLOORS: list[set[str]] = [
    {"errors"},
    {"policy", "content_types"},
    {"tables."},
    {"codecs."},
    {"answers.", "display.", "file_formats"},
    {"wire."},
    {"reply", "control_plane", "explanations"},
    {"stream.", "scoring.", "async_inference."},
    {"session", "distributed."},
    {"endpoint."},
    {"estimator.", "files.", "local_runtime"},
    {"as_code.", "dry_run"},
    {"magic.", "panel."},
    {"demo.", "lab"},
    {"cli"},
]

OWNERS = {
    "boto3": {"wire.clients"},
    "botocore": {
        "wire",
        "wire.clients",
        "wire.translation",
        "wire.frames",
        "wire.members",
        "reply",
        "local.signature",
        "local.protocol",
    },
    "IPython": {"magic", "demo", "magic.completion"},
    "ipywidgets": {"panel", "panel.choices"},
    "anywidget": {"panel.board"},
    "sklearn": {
        "estimator.base",
        "estimator.classifier",
        "estimator.tables_in",
        "estimator.transformer",
        "demo.models",  # whose models are scikit-learn's
    },
    "dask": {"distributed.engines"},
    "pyspark": {"distributed.engines"},
    "ray": {"distributed.engines"},
    "starlette": {"local.server"},
    "uvicorn": {"local.runtime"},
    "narwhals": {"tables.frames"},
}

CLIENT_FORBIDDEN_TO_LOCAL = {"errors", "codecs", "tables"}


def imports_of(path: Path) -> set[str]:
    """Name what a file imports when it runs, wherever the import stands; type-checking blocks do not run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from folder import module` takes a module, `from module import name` takes from the module itself.
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in full}
    return found


def ours(path: Path) -> set[str]:
    """Name the modules of this package that a file imports."""
    return {name for name in imports_of(path) if name in MODULES and name != "smrt_jupyter"}


def room(module: str) -> str:
    """Name a module without the package."""
    return module.removeprefix("smrt_jupyter.")


def floor(module: str) -> int | None:
    """Say on which floor a module stands; None for the root and the embedded runtime."""
    name = room(module)
    for number, names in enumerate(FLOORS):
        if name in names or f"{name.partition('.')[0]}." in names:
            return number
    return None


CLIENT = [
    name for name in MODULES if name != "smrt_jupyter" and not room(name).startswith("local.") and room(name) != "local"
]
LOCAL = [name for name in MODULES if room(name).startswith("local.") or room(name) == "local"]


@pytest.mark.parametrize("module", CLIENT)
def test_imports_point_down(module: str) -> None:
    """A module imports only what stands on its own floor or below."""
    here = floor(module)
    if here is None:
        here = len(FLOORS)
        assert not [name for name in CLIENT if floor(name) is not None and module in ours(MODULES[name])], (
            f"{module} stands on no floor, so nothing below the faces may import it: give it one in FLOORS"
        )
    above = {name for name in ours(MODULES[module]) if (floor(name) or 0) > here}
    assert above == set()


def test_no_two_modules_import_one_another() -> None:
    """There is no circle of imports, lazy ones included."""
    graph = {name: ours(path) for name, path in MODULES.items() if name != "smrt_jupyter"}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"a circle: {' -> '.join((*trail, name))}"
        if name not in done:
            for other in graph[name] - {name}:
                visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("module", LOCAL)
def test_the_embedded_runtime_knows_nothing_of_the_client(module: str) -> None:
    """It imports only codecs, what these stand on, and errors: client and runtime meet on the socket."""
    outside = {room(name).partition(".")[0] for name in ours(MODULES[module])} - {"local"}
    assert outside <= CLIENT_FORBIDDEN_TO_LOCAL


@pytest.mark.parametrize(
    "module", [name for name in CLIENT if room(name) not in {"local_runtime", "cli", "demo", "lab"}]
)
def test_the_client_knows_nothing_of_the_embedded_runtime(module: str) -> None:
    """Only `local_runtime`, and the commands that open one, know both."""
    assert not {name for name in ours(MODULES[module]) if room(name).partition(".")[0] in {"local", "local_runtime"}}


@pytest.mark.parametrize("library", OWNERS)
def test_each_heavy_library_has_one_owner(library: str) -> None:
    """A library that is heavy, or that others must not depend on, is imported in its own room only."""
    users = {
        room(name) for name, path in MODULES.items() if any(each.split(".")[0] == library for each in imports_of(path))
    }
    assert users <= OWNERS[library]


def test_importing_the_package_loads_nothing_heavy() -> None:
    """``import smrt_jupyter`` costs next to nothing."""
    heavy = [
        "boto3",
        "botocore",
        "pandas",
        "numpy",
        "sklearn",
        "IPython",
        "ipywidgets",
        "narwhals",
        "pyarrow",
        "polars",
    ]
    script = f"import sys, smrt_jupyter; print([name for name in {heavy} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_loading_the_extension_loads_neither_boto3_nor_pandas_nor_sklearn() -> None:
    """``%load_ext smrt_jupyter`` does not slow down a notebook that has not sent anything yet."""
    script = """
import sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "smrt_jupyter")
assert "sagemaker" in shell.magics_manager.magics["cell"]
print([name for name in ("boto3", "botocore", "pandas", "sklearn") if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert told.stdout.strip().splitlines()[-1] == "[]"


def test_every_public_name_is_where_the_root_says() -> None:
    """All of `__all__` can be imported, is what the table of homes and the errors hold, and nothing more."""
    from smrt_jupyter import errors

    assert sorted(smrt_jupyter.__all__) == sorted([*smrt_jupyter._HOME, *errors.__all__])
    for name in smrt_jupyter.__all__:
        assert getattr(smrt_jupyter, name).__name__ == name


def test_the_readme_names_every_public_name() -> None:
    """The README's list of names is the root's."""
    section = README.read_text(encoding="utf-8").partition("<!-- public names -->")[2].partition("<!-- end -->")[0]
    named = {word.strip("`, ") for word in section.split() if word.startswith("`")}
    assert named == set(smrt_jupyter.__all__)


def test_files_stay_small() -> None:
    """A file past about 400 lines has two jobs; the tree of errors is one list."""
    lines = {room(name): len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name for name, count in lines.items() if count > 420} <= {"errors"}


def test_the_top_level_holds_what_was_promised() -> None:
    """Nothing else stands at the top but dotfiles and the licence."""
    told = subprocess.run(["git", "ls-files"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    if told.returncode != 0:
        pytest.skip("an unpacked archive has no list of its files; the gate runs in a clone")
    top = {line.split("/")[0] for line in told.stdout.splitlines()} - {"LICENSE"}
    assert {name for name in top if not name.startswith(".")} <= {
        "pyproject.toml",
        "smrt_jupyter",
        "notebooks",
        "tests",
        "README.md",
    }
