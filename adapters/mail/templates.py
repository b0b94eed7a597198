"""The templates of emails: NAME.txt, whose first line is the subject, and NAME.html."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

from jinja2 import (
    BaseLoader,
    ChoiceLoader,
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from application.ports import Recipient
from domain import accounts
from domain.users import User

_BUILT_IN: Final = Path(__file__).parent / "templates"
_LINK: Final = "link"
_USER: Final = "user"
_SUFFIXES: Final = (".txt", ".html")
_SOME_TIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
_SAMPLE_USER: Final = User(1, "ann@example.org", "Ann", True, "user", _SOME_TIME, _SOME_TIME, 1)
_SAMPLE_LINK: Final = "https://roster.example/account"


class BadTemplate(ValueError):
    """A template is missing, unreadable or invalid. The message is one line with file and line."""


class RenderedEmail(NamedTuple):
    """The content of an email. The subject has one line."""

    subject: str
    text: str
    html: str


class MailTemplates:
    """Roster's own templates. The files of `folder` replace those of the same name.

    Reads and checks all templates. Raises BadTemplate. They cannot call unsafe methods, and HTML
    templates escape values.
    """

    def __init__(self, folder: Path | None = None) -> None:
        if folder is not None:
            _require_folder(folder)
        self._folders = [each for each in (folder, _BUILT_IN) if each is not None]
        loaders: list[BaseLoader] = [FileSystemLoader(each) for each in self._folders]
        self._environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader(loaders),
            autoescape=lambda name: not (name or "").endswith(".txt"),
            undefined=StrictUndefined,
            auto_reload=False,  # a worker uses the templates that it has checked
            cache_size=-1,
        )
        self._templates = {
            f"{kind}{suffix}": self._load(f"{kind}{suffix}", _sample_variables(kind))
            for kind in accounts.Template
            for suffix in _SUFFIXES
        }
        for kind in accounts.Template:
            self._check_sample(kind)

    def render(self, kind: accounts.Template, link: str, user: Recipient | None) -> RenderedEmail:
        """Renders an email. `user` is not used for a sign-up. Raises TemplateError.

        May raise any other exception, because a template can contain any expression.
        """
        return self._render(kind, _variables(kind, link, user))

    def _render(self, kind: accounts.Template, variables: Mapping[str, Any]) -> RenderedEmail:
        text = self._templates[f"{kind}.txt"].render(variables)
        subject, _, body = text.partition("\n")
        html = self._templates[f"{kind}.html"].render(variables)
        return RenderedEmail(_one_line(subject), body.strip("\r\n") + "\n", html)

    def _load(self, name: str, variables: Mapping[str, Any]) -> Template:
        path = self._path(name)
        try:
            with _system_errors(path):
                source = path.read_text("utf-8")
        except UnicodeDecodeError:
            raise BadTemplate(f"{path}: is not valid UTF-8") from None
        try:
            tree = self._environment.parse(source, name)
            for line, problem in _unknown_names(tree, variables):
                raise BadTemplate(f"{path}, line {line}: {problem}")
            return self._environment.get_template(name)
        except (TemplateError, UnicodeDecodeError) as error:
            raise self._bad_template(name, error) from None

    def _check_sample(self, kind: accounts.Template) -> None:
        variables = _sample_variables(kind)
        for suffix in _SUFFIXES:
            name = f"{kind}{suffix}"
            try:
                self._templates[name].render(variables)
            except Exception as error:  # noqa: BLE001 (a template can contain any expression)
                raise self._bad_template(name, error) from None
        if not self._render(kind, variables).subject:
            name = f"{kind}.txt"
            raise BadTemplate(f"{self._path(name)}, line 1: the subject is empty")

    def _bad_template(self, name: str, error: Exception) -> BadTemplate:
        line: int | None
        if isinstance(error, TemplateSyntaxError):
            line = error.lineno
            if error.name and self._path(error.name).exists():  # an included template
                name = error.name
        else:
            line = _line_in_template(error.__traceback__, name, self._path(name))
        if isinstance(error, TemplateNotFound):
            problem = f"there is no template {error.name}"
        elif isinstance(error, UnicodeDecodeError):
            problem = "an included template is not valid UTF-8"
        else:
            message = error.message if isinstance(error, TemplateError) else str(error)
            problem = _one_line(message or "") or type(error).__name__
        place = f"{self._path(name)}, line {line}" if line else f"{self._path(name)}"
        return BadTemplate(f"{place}: {problem}")

    def _path(self, name: str) -> Path:
        paths = (folder / name for folder in self._folders)
        return next((path for path in paths if _exists(path)), self._folders[0] / name)


def _require_folder(path: Path) -> None:
    with _system_errors(path):
        if not path.is_dir():
            raise BadTemplate(f"{path} is not a folder")


def _exists(path: Path) -> bool:
    with _system_errors(path):
        return path.exists()


@contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    """Raises BadTemplate in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise BadTemplate(f"{path}: {error.strerror}") from None


def _variables(kind: accounts.Template, link: str, user: Recipient | None) -> dict[str, Any]:
    variables: dict[str, Any] = {_LINK: link}
    if kind is not accounts.Template.SIGNUP:
        variables[_USER] = user
    return variables


def _sample_variables(kind: accounts.Template) -> dict[str, Any]:
    return _variables(kind, _SAMPLE_LINK, _SAMPLE_USER)


def _unknown_names(tree: nodes.Template, variables: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    """The lines and the descriptions of unknown variables, even in branches that rarely run."""
    unknown = meta.find_undeclared_variables(tree) - variables.keys()
    for name in tree.find_all(nodes.Name):
        if name.ctx == "load" and name.name in unknown:
            known = " and ".join(sorted(variables))
            yield name.lineno, f"{name.name} is unknown; known variables are {known}"
    for each in tree.find_all(nodes.Getattr):
        of_user = isinstance(each.node, nodes.Name) and each.node.name == _USER
        if of_user and each.attr not in User._fields:
            known = ", ".join(User._fields)
            yield each.lineno, f"user.{each.attr} is unknown; users have {known}"


def _line_in_template(trace: TracebackType | None, name: str, path: Path) -> int | None:
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename in (name, str(path)):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _one_line(text: str) -> str:
    """The text with a space in place of line breaks, control characters and lone surrogates."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
