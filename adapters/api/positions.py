"""Lets the reads of the API use replicas."""

from adapters.api.http import READING
from adapters.api.request import current_request
from adapters.jsonapi.errors import ErrorObject, RequestError
from adapters.web.positions import POSITION, position_of, sent_position

_INVALID = ErrorObject(
    status=400,
    code="invalid_position",
    detail=f"{POSITION} must be the value of this header in a response of the service, unchanged. "
    "Omit the header if there is none.",
    header=POSITION,
)


def allow_replicas() -> None:
    """Lets a request that only reads use replicas.

    Raises RequestError if its position is invalid.
    """
    request = current_request()
    position = position_of(request.environ)
    if position is None or request.method not in READING:
        return
    try:
        position.allow_replicas(request.principal, sent_position(request.environ))
    except ValueError:
        raise RequestError(_INVALID) from None
