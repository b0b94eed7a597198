"""The command `roster`: checks that Python imports Roster's own packages, then runs it.

Roster's packages have common names (`domain`, `adapters`, …). A directory in PYTHONPATH can hide
them, and another distribution in the same environment can replace their files. Python finds this
module even then, because its name is not a common one.
"""

import os
import sys
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Final

_PACKAGES: Final = ("domain", "application", "adapters", "entrypoints", "migrations")
_DIRECTORY: Final = Path(__file__).parent
_STANDARD_ERROR: Final = 2
_INSTALL: Final = "install Roster in an environment of its own: pipx install roster-directory"
_REPLACED: Final = (
    "A file of Roster, or of a package that it requires, is missing or belongs to another package. "
    f"Unset PYTHONPATH if it is set, and {_INSTALL}"
)


def main() -> None:
    """Runs the command line. If Roster cannot be imported, exits with 1 and prints one line."""
    open_standard_error()
    escape_unknown_characters()
    if problem := shadowed_package():
        sys.exit(f"Error: {problem}")
    try:
        from entrypoints.cli.main import main as run

        run()
    except KeyboardInterrupt:  # while modules are imported
        sys.exit("Aborted!")
    except Exception as error:
        problem = import_problem(error)
        if problem is None or "--traceback" in sys.argv[1:]:
            raise
        sys.exit(f"Error: {problem}")


def open_standard_error() -> None:
    """Discards messages if standard error is closed.

    Otherwise Python has no stream for messages, and another file could get the descriptor.
    """
    if sys.stderr is None:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, _STANDARD_ERROR)
        if null != _STANDARD_ERROR:
            os.close(null)
        sys.stderr = os.fdopen(_STANDARD_ERROR, "w", closefd=False)


def escape_unknown_characters() -> None:
    """Escapes the characters that the encoding of standard output lacks, as in messages."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def shadowed_package() -> str | None:
    """The package that Python would import from elsewhere, and what to do; None if there is none.

    Imports nothing, so no foreign code runs.
    """
    for name in _PACKAGES:
        spec, own = find_spec(name), _DIRECTORY / name
        if spec is None or spec.origin is None:  # without __init__.py it is a namespace package
            return _line(f"{own / '__init__.py'} is missing. {_REPLACED}")
        found = Path(spec.origin)
        if found.parent != own:
            place = found.parent if found.stem == "__init__" else found
            return _line(f"{place} hides Roster's package in {own}. {_remedy(place.parent)}")
    return None


def import_problem(error: Exception) -> str | None:
    """Why Roster cannot be imported, and what to do; None if the error has another cause."""
    if isinstance(error, ImportError) or _is_from_an_import(error.__traceback__):
        return _line(f"Roster cannot be imported ({type(error).__name__}: {error}). {_REPLACED}")
    return None


def _is_from_an_import(trace: TracebackType | None) -> bool:
    """Returns True if the top level of one of Roster's modules raised the error.

    Migrations do not count: Alembic runs them as modules, and the database can make them fail.
    """
    packages = {_DIRECTORY / name for name in _PACKAGES if name != "migrations"}
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_name == "<module>" and not packages.isdisjoint(Path(code.co_filename).parents):
            return True
        trace = trace.tb_next
    return False


def _remedy(directory: Path) -> str:
    """How to keep the modules of a directory from hiding Roster's."""
    python_path = os.environ.get("PYTHONPATH")
    if python_path and directory in map(Path.resolve, map(Path, python_path.split(os.pathsep))):
        return f"Unset PYTHONPATH, or remove {directory} from it"
    return f"To avoid this, {_INSTALL}"


def _line(text: str) -> str:
    """The text on one line, without control characters."""
    return "".join(each for each in " ".join(text.split()) if each.isprintable())
