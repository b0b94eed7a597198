"""JSON:API error objects and documents."""

import json

import pytest

from adapters.jsonapi.errors import (
    MAX_ERRORS,
    STATUS,
    ErrorObject,
    RequestError,
    error_document,
    to_request_error,
)
from application.accounts.errors import InvalidGrant, InvalidScope
from application.ports import ConcurrentUpdate, OutcomeUnknown, Unavailable
from domain.attributes import ReadOnly, StaleVersion
from domain.errors import MAX_QUOTED_LENGTH, Invalid, Problem, RosterError, Violation
from domain.users import EmailTaken, UserNotFound


def error(status: int) -> ErrorObject:
    return ErrorObject(status=status, code="some_code", detail="Why.")


@pytest.mark.parametrize(
    ("statuses", "status"), [((409,), 409), ((409, 409), 409), ((409, 403), 400), ((422, 400), 400)]
)
def test_errors_with_different_statuses_result_in_400(
    statuses: tuple[int, ...], status: int
) -> None:
    assert RequestError(*map(error, statuses)).status == status


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (Invalid([Violation("name", Problem("blank", "is blank"))]), 422),
        (ReadOnly("creation_time"), 403),
        (UserNotFound(7), 404),
        (EmailTaken(), 409),
        (StaleVersion(), 412),
        (Unavailable(), 503),
        (ConcurrentUpdate(), 503),
        (OutcomeUnknown(), 503),
    ],
)
def test_each_error_has_the_status_of_its_kind(problem: RosterError, status: int) -> None:
    assert to_request_error(problem, lambda _: None).status == status


def test_every_kind_of_error_has_a_status() -> None:
    of_oauth = {InvalidGrant, InvalidScope}  # their responses are not JSON:API documents
    assert set(RosterError.__subclasses__()) == STATUS.keys() | of_oauth


def test_an_error_object_has_the_members_it_needs_and_no_others() -> None:
    (plain,) = json.loads(error_document(RequestError(error(400))))["errors"]
    assert plain == {"status": "400", "code": "some_code", "title": "Some code", "detail": "Why."}
    whole = ErrorObject(
        id="1",
        status=400,
        code="a",
        detail="b",
        pointer="",
        type_link="/x",
        meta={"page": {}},
    )
    assert whole.as_json() == {
        "id": "1",
        "status": "400",
        "code": "a",
        "title": "A",
        "detail": "b",
        "source": {"pointer": ""},
        "links": {"type": "/x"},
        "meta": {"page": {}},
    }


def test_quotes_any_text_that_a_client_sent() -> None:
    sent = ErrorObject(status=422, code="a", detail='"\ud800\0é💥', pointer="/data/\ud800")
    (found,) = json.loads(error_document(RequestError(sent)).decode("utf-8"))["errors"]
    # UTF-8 cannot contain a lone surrogate. The pointer names the deepest valid member.
    assert (found["detail"], found["source"]["pointer"]) == ('"\ufffd\0é💥', "/data")


def test_lists_a_thousand_errors_and_counts_the_others() -> None:
    few, many = (RequestError(*[error(400)] * number) for number in (MAX_ERRORS, MAX_ERRORS + 7))
    assert "meta" not in json.loads(error_document(few))
    document = json.loads(error_document(many))
    assert (len(document["errors"]), document["meta"]) == (MAX_ERRORS, {"omitted": 7})
    assert len(json.loads(error_document(few))["errors"]) == MAX_ERRORS


def test_all_violations_of_a_resource_are_counted() -> None:
    unknown = [Violation(f"a{n}", Problem("unknown_attribute", "is none")) for n in range(5000)]
    rejected = to_request_error(Invalid(unknown), lambda name: f"/data/attributes/{name}")
    assert (len(rejected.errors), rejected.omitted) == (MAX_ERRORS, 5000 - MAX_ERRORS)


def test_a_long_name_is_quoted_in_part() -> None:
    long = Violation("n" * 10_000, Problem("unknown_attribute", "is none"))
    (found,) = to_request_error(Invalid([long]), lambda _: "/data/attributes").errors
    assert found.detail == f"{'n' * MAX_QUOTED_LENGTH}… is none."
    assert found.meta == {"attribute": f"{'n' * MAX_QUOTED_LENGTH}…"}
