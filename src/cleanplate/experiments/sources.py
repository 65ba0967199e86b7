"""Which sources of this package a cell's result depends on, and a digest of them.

A result depends on the modules that its method runs through: those that the method begins in, and whatever they import
of the wings that make pixels, however far down. What a method is set to is in the settings of the cell already, and how
a video is read, saved or shown (OUTSIDE) does not change what is made of it. So an edit of the tracker voids no result,
one of `carry` none of `dip`, and a docstring that is worded anew none at all: of each module it is the code that is
digested, without comments, docstrings, layout, and imports from outside.

Imports are read from the sources; nothing is imported for it.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import cleanplate
from cleanplate.baselines.rivals import BASELINES
from cleanplate.config import METHODS
from cleanplate.metrics import MODULES, complexity, psnr_db, ssim

PACKAGE = Path(cleanplate.__file__).parent
MAKING = ("paper", "carry", "unseen", "imaging", "baselines", "runtime.chance")
MEASURING = ("metrics", "imaging", "paper")
# What is measured in every case where a clip is cut into pieces: of the frames that a network makes, known pixels too.
OF_PIECES = {"generated_known_psnr_db": psnr_db.__module__, "generated_known_ssim": ssim.__module__}
# And of all that is made.
DEFINED_IN = MODULES | {"complexity": complexity.__module__} | OF_PIECES
# How a video is read, saved and shown, and what a method is set to.
ROOMS = ("clip", "config", "errors", "pipeline", "plate", "progress", "runtime", "video", "weights")
OUTSIDE = tuple(f"cleanplate.{room}" for room in ROOMS)
# What composes a clip (of a mask the hole, of a picture one of another size), and runs a method on it: these, and not
# what they import, which is all there is.
OF_EVERY_CELL = (
    "cleanplate.data.compose", "cleanplate.experiments.make", "cleanplate.video.masks", "cleanplate.video.resize"
)  # fmt: skip
# What says what is measured where: of all metrics, and of OF_PIECES.
SAYS_WHAT, SAYS_OF_PIECES = "cleanplate.metrics", "cleanplate.experiments.cells"


@lru_cache
def code_digest(method: str, *, features: bool = False, package: Path = PACKAGE) -> str:
    """Of all code that what a method makes depends on.

    Args:
        method: in METHODS or BASELINES.
        features: whether features of its network are compared, too.
        package: the folder of this package.
    """
    begins = set(begins_in(method)) | ({"cleanplate.experiments.features"} if features else set())
    return digest({*reached_from(begins, MAKING, package), *OF_EVERY_CELL}, package)


@lru_cache
def measuring_digest(metric: str, *, package: Path = PACKAGE) -> str:
    """Of all code that the value of a metric depends on."""
    says = {SAYS_WHAT, SAYS_OF_PIECES} if metric in OF_PIECES else {SAYS_WHAT}
    return digest(reached_from({DEFINED_IN[metric]}, MEASURING, package) | says, package)


def begins_in(method: str) -> tuple[str, ...]:
    """The modules that a method begins in."""
    if method in BASELINES:
        return (BASELINES[method].__module__,)
    begins = ["cleanplate.imaging.paint"]  # every method is given painted frames
    if METHODS[method].carries:
        begins.append("cleanplate.carry.rounds")
    if METHODS[method].learns:
        begins.append("cleanplate.paper.methods")
    if METHODS[method].canvas.cells_px:
        begins.append("cleanplate.paper.places")
    if METHODS[method].carries and METHODS[method].learns:
        begins.append("cleanplate.unseen.learn")
    return tuple(begins)


def reached_from(begins: Iterable[str], wings: Iterable[str], package: Path = PACKAGE) -> set[str]:
    """These modules, and all modules of the wings that they import, directly or not."""
    reached, found = set[str](), list(begins)
    followed = tuple(f"cleanplate.{wing}" for wing in wings)
    while found:
        module = found.pop()
        if module not in reached:
            reached.add(module)
            found += [other for other in _imported_by(module, package) if other.startswith(followed)]
    return reached


def digest(modules: Iterable[str], package: Path = PACKAGE) -> str:
    """Of the code of modules, without comments, docstrings and layout."""
    of_all = hashlib.sha256()
    for module in sorted(modules):
        of_all.update(f"{module}\0{_read(_file(module, package).read_bytes()).code}\0".encode())
    return of_all.hexdigest()[:16]


def _imported_by(module: str, package: Path) -> Iterator[str]:
    """The modules of this package that a module imports, wherever it says so."""
    file = _file(module, package)
    within = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for written in _read(file.read_bytes()).imports:
        name = importlib.util.resolve_name(written, within)
        if name.split(".")[0] == "cleanplate":
            yield name if _file(name, package).is_file() else name.rpartition(".")[0]


def _file(module: str, package: Path) -> Path:
    """Of a module, or the face of a package; it need not be there."""
    path = package.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


class _Source(NamedTuple):
    code: str
    """Without comments, docstrings and layout."""
    imports: tuple[str, ...]
    """Names of modules, or of what is in them; relative ones begin with dots."""


@cache
def _read(content: bytes) -> _Source:
    imports, tree = [], ast.parse(content)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = "." * node.level + (node.module + "." if node.module else "")
            imports += [parent + alias.name for alias in node.names]
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [one for one in node.body if not (_is_docstring(one) or _is_outside(one))] or [ast.Pass()]
    return _Source(ast.unparse(tree), tuple(imports))


def _is_docstring(node: ast.stmt) -> bool:
    """Of a module, class, function, or of a field."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_outside(node: ast.stmt) -> bool:
    """Whether it imports what does not change a result: that may move without voiding any."""
    return isinstance(node, ast.ImportFrom) and (node.module or "").startswith(OUTSIDE)
