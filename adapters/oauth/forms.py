"""Request forms of OAuth (RFC 6749, section 3.2 and appendix B)."""

from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

from adapters.oauth.errors import INVALID_REQUEST, OAuthError
from adapters.web.flask_app import current_request
from adapters.web.request_body import RequestLimits, begin_validation, end_validation

FORM: Final = "application/x-www-form-urlencoded"
_MAX_PARAMETERS: Final = 100
_MAX_ESCAPES: Final = 20_000
"""The maximum number of percent signs: decoding creates an object of 50 times the size for each."""

ReadForm = Callable[[], Mapping[str, str]]
"""Returns the parameters in the body of the current request. Raises OAuthError."""


def form_reader(limits: RequestLimits) -> ReadForm:
    """Returns a function that reads the form in the body of the current request.

    The function raises OAuthError, and the errors of `read_body`.
    """

    def read_form() -> Mapping[str, str]:
        environ = current_request().environ
        content_type = environ.get("CONTENT_TYPE", "").partition(";")[0].strip(" \t").lower()
        if content_type != FORM:
            raise OAuthError(INVALID_REQUEST, f"The Content-Type must be {FORM}.")
        if environ.get("HTTP_CONTENT_ENCODING", "identity").strip(" \t").lower() != "identity":
            raise OAuthError(INVALID_REQUEST, "Compressed request bodies are not supported.")
        if environ.get("QUERY_STRING"):
            raise OAuthError(INVALID_REQUEST, "The parameters must be in the body, not in the URL.")
        body = limits.read_body(environ)
        begin_validation(environ)
        form = _parse(body.decode(errors="replace"))
        end_validation(environ)
        return form

    return read_form


def required(form: Mapping[str, str], name: str) -> str:
    """Returns the value of a parameter, which may be empty. Raises OAuthError if it is missing."""
    if (value := form.get(name)) is None:
        raise OAuthError(INVALID_REQUEST, f"The parameter {name} is missing.")
    return value


def _parse(text: str) -> Mapping[str, str]:
    """Parses a form. Unknown parameters are allowed, repeated ones are not (RFC 6749, 3.2).

    Bytes that are not UTF-8 become U+FFFD, which no valid value contains.
    """
    if text.count("%") > _MAX_ESCAPES:
        detail = f"The form has more than {_MAX_ESCAPES} percent signs."
        raise OAuthError(INVALID_REQUEST, detail)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        detail = f"The form has more than {_MAX_PARAMETERS} parameters."
        raise OAuthError(INVALID_REQUEST, detail) from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError(INVALID_REQUEST, "A parameter must not occur more than once.")
    return form
