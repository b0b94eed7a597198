"""The options of an import that solve the problems of its file."""

from typing import Final

from adapters.tabular.remedies import Remedy, SolvableProblem
from domain.errors import Problem, Violation

_FORMS: Final = {
    "format": "use --format {}",
    "encoding": "try --encoding {}",
    "delimiter": "use --delimiter {!r}",
    "column": "map a column with --column {}",
}
_FORMS_WITHOUT_VALUE: Final = {
    "encoding": "name the encoding of the file with --encoding, such as windows-1252",
    "column": "map a column with --column ATTR=HEADER",
    "ignore_unknown": "skip unknown ones with --ignore-unknown",
}


def with_remedies(violation: Violation) -> str:
    """Returns the text of a violation, and the options that may solve it."""
    return f"{violation}{remedies_of(violation.problem)}"


def remedies_of(problem: Problem) -> str:
    """Returns a sentence with the options that may solve a problem, after a space, or no text."""
    if not isinstance(problem, SolvableProblem) or not problem.remedies:
        return ""
    text = ", or ".join(map(_phrase, problem.remedies))
    return f" {text[:1].upper()}{text[1:]}."


def _phrase(remedy: Remedy) -> str:
    if remedy.value is None:
        return f"omit --{remedy.option}"
    if not remedy.value:
        return _FORMS_WITHOUT_VALUE[remedy.option]
    return _FORMS[remedy.option].format(remedy.value)
