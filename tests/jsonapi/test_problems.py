"""Errors as JSON:API says them."""

import json

import pytest

from adapters.jsonapi.errors import (
    MOST_TOLD,
    STATUS,
    ErrorObject,
    Refused,
    error_document,
    refusal,
)
from application.ports import OutcomeUnknown, Overtaken, Unavailable
from domain.errors import LONGEST_QUOTED, Invalid, Problem, RosterError, Violation
from domain.users import EmailTaken, ReadOnly, StaleVersion, UserNotFound


def error(status: int) -> ErrorObject:
    return ErrorObject(status=status, code="some_code", detail="Why.")


@pytest.mark.parametrize(
    ("statuses", "status"), [((409,), 409), ((409, 409), 409), ((409, 403), 400), ((422, 400), 400)]
)
def test_problems_that_call_for_different_statuses_get_400(
    statuses: tuple[int, ...], status: int
) -> None:
    assert Refused(*map(error, statuses)).status == status


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (Invalid([Violation("name", Problem("blank", "is blank"))]), 422),
        (ReadOnly("creation_time"), 403),
        (UserNotFound(7), 404),
        (EmailTaken(), 409),
        (StaleVersion(), 412),
        (Unavailable(), 503),
        (Overtaken(), 503),
        (OutcomeUnknown(), 503),
    ],
)
def test_each_refusal_has_the_status_of_its_kind(refused: RosterError, status: int) -> None:
    assert refusal(refused, lambda _: None).status == status


def test_every_kind_of_refusal_has_a_status() -> None:
    assert set(RosterError.__subclasses__()) == set(STATUS)


def test_an_error_object_has_the_members_it_needs_and_no_others() -> None:
    (plain,) = json.loads(error_document(Refused(error(400))))["errors"]
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


def test_what_a_client_sent_can_be_quoted_whatever_it_is() -> None:
    odd = ErrorObject(status=422, code="a", detail='"\ud800\0é💥', pointer="/data/\ud800")
    found = json.loads(error_document(Refused(odd)).decode("utf-8"))["errors"][0]
    # No UTF-8, and so no strict parser, holds a lone surrogate; a pointer names what is there.
    assert (found["detail"], found["source"]["pointer"]) == ('"\ufffd\0é💥', "/data")


def test_an_answer_tells_a_thousand_problems_and_counts_the_others() -> None:
    few, many = (Refused(*[error(400)] * number) for number in (MOST_TOLD, MOST_TOLD + 7))
    assert "meta" not in json.loads(error_document(few))
    told = json.loads(error_document(many))
    assert (len(told["errors"]), told["meta"]) == (MOST_TOLD, {"omitted": 7})
    assert len(json.loads(error_document(few))["errors"]) == MOST_TOLD


def test_all_problems_of_a_resource_are_counted() -> None:
    unknown = [Violation(f"a{n}", Problem("unknown_attribute", "is none")) for n in range(5000)]
    refused = refusal(Invalid(unknown), lambda name: f"/data/attributes/{name}")
    assert (len(refused.errors), refused.omitted) == (MOST_TOLD, 5000 - MOST_TOLD)


def test_a_long_name_is_quoted_in_part() -> None:
    long = Violation("n" * 10_000, Problem("unknown_attribute", "is none"))
    (found,) = refusal(Invalid([long]), lambda _: "/data/attributes").errors
    assert found.detail == f"{'n' * LONGEST_QUOTED}… is none."
    assert found.meta == {"attribute": f"{'n' * LONGEST_QUOTED}…"}
