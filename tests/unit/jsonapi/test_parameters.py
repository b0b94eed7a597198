"""Parameters of queries, errors about values of every kind, and examples of documents."""

import json
from typing import Any

import pytest
from marshmallow_jsonapi import Schema

from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.errors import ErrorObject, RequestError
from adapters.jsonapi.kinds import Id, Integer, Text
from adapters.jsonapi.parameters import collection
from adapters.jsonapi.resource import Resource
from adapters.jsonapi.resource_objects import example_document, read_resource
from application.search import Slice


def errors_of(query: str, resource: Resource, cursors: Cursors) -> tuple[ErrorObject, ...]:
    with pytest.raises(RequestError) as caught:
        collection(query, resource, cursors)
    return caught.value.errors


@pytest.mark.parametrize(
    ("parameter", "accepted"),
    [
        ("filter[lent]=1", "must be true or false."),
        ("filter[pages]=many", "must be a whole number from -2147483648 to 2147483647 "),
        ("filter[sold]=1.5", "must be a whole number from -9223372036854775808 to "),
        ("filter[price]=1e2", "must be a decimal number without an exponent, with at most 6 "),
        ("filter[published]=1815", "must be a date, such as 2026-11-28."),
        ("filter[due]=noon", "must be an RFC 3339 timestamp with an offset, such as 2026-11-22T"),
        ("filter[due]=2026-02-30", "or a date (2026-11-22). A date is the start of that day"),
        ("filter[contact]=jane", "must be an email address, such as ann@example.org."),
        ("filter[edition]=1", "must be a UUID, such as 123e4567-e89b-12d3-a456-426614174000."),
        ("filter[state]=lost", "must be one of new, used."),
        ("filter[isbn]=A", "must start with a letter a-z, followed by a-z, 0-9, _ or -."),
        ("filter[id]=x", "must be a whole number from 1 to 9223372036854775807 without"),
        ("filter[id][gt]=01", "It must be a whole number of at most 19 digits without leading"),
        ("filter[title]=", "must contain at least one visible character."),
        ("filter[pages]=", "An empty value is not a valid pages."),
    ],
)
def test_an_error_about_a_value_states_the_accepted_values(
    books: Resource, cursors: Cursors, parameter: str, accepted: str
) -> None:
    (error,) = errors_of(parameter, books, cursors)
    assert (error.code, error.parameter) == ("invalid_parameter", parameter.partition("=")[0])
    assert accepted in error.detail


def test_an_error_describes_the_first_invalid_values_of_a_filter(
    books: Resource, cursors: Cursors
) -> None:
    (error,) = errors_of("filter[id]=1,a,2,b,a", books, cursors)
    assert [f"'{each}' is not" in error.detail for each in "a12b"] == [True, False, False, True]
    (error,) = errors_of("filter[id][]=a&filter[id][]=b", books, cursors)
    assert ["'a'" in error.detail, "'b'" in error.detail] == [True, True]
    (error,) = errors_of("filter[id]=a,b,c,d,e", books, cursors)
    assert "'c' is not" in error.detail
    assert error.detail.endswith(" 2 more values are invalid.")
    (error,) = errors_of("filter[id]=a,b,c,d", books, cursors)
    assert error.detail.endswith(" 1 more value is invalid.")


@pytest.mark.parametrize(
    ("query", "explained"),
    [
        ("filter[due]=2026-11-28T12:00:00+02:00", True),
        ("filter[due][lt]=2026-11-28T12:00:00+02:00", True),
        ("filter[contact]=a+b@example.org", True),
        ("filter[contact]=a%20b@example.org", False),
        ("filter[due]=2026-11-28%2012:00:00Z", False),
        ("filter[isbn]=a+b", False),
    ],
)
def test_explains_a_plus_if_it_would_make_the_value_valid(
    books: Resource, cursors: Cursors, query: str, explained: bool
) -> None:
    (error,) = errors_of(query, books, cursors)
    assert ("A + in a query means a space; write %2B." in error.detail) is explained


@pytest.mark.parametrize("side", ["after", "before"])
def test_a_page_by_cursor_has_the_default_size(
    books: Resource, cursors: Cursors, side: str
) -> None:
    cursor = collection("", books, cursors).cursors.write((7,))
    place = collection(f"page[{side}]={cursor}", books, cursors).search.place
    expected = {"after": Slice(25, after=(7,)), "before": Slice(25, before=(7,))}
    assert place == expected[side]


def test_a_page_between_two_cursors_has_the_largest_size(books: Resource, cursors: Cursors) -> None:
    first, last = (collection("", books, cursors).cursors.write((key,)) for key in (7, 9))
    place = collection(f"page[after]={first}&page[before]={last}", books, cursors).search.place
    assert place == Slice(1000, after=(7,), before=(9,))


def test_an_attribute_cannot_be_searched_for_words_without_text_search() -> None:
    with pytest.raises(ValueError, match="text search"):
        Text(searched=True, text_search=False)


@pytest.mark.parametrize("name", ["q", "or", "not", "history"])
def test_names_that_parameters_and_urls_use_are_reserved(name: str) -> None:
    fields: dict[str, Any] = {"id": Id(), name: Text()}
    meta = type("Meta", (), {"type_": "things"})
    with pytest.raises(ValueError, match=name):
        Resource.of(type("ThingSchema", (Schema,), {"Meta": meta, **fields}))


@pytest.mark.parametrize("wrong", ["sort=nick", "filter[nick]=1", "filter[id]=x"])
def test_a_cursor_is_not_wrong_because_the_list_is(
    books: Resource, cursors: Cursors, wrong: str
) -> None:
    (error,) = errors_of(f"{wrong}&page[after]=zz", books, cursors)
    assert error.parameter == wrong.partition("=")[0]


def test_a_secret_attribute_is_not_searched() -> None:
    fields = {"id": Id(), "pin": Text(load_only=True, searched=True), "name": Text(searched=True)}
    meta = type("Meta", (), {"type_": "things"})
    things = Resource.of(type("ThingSchema", (Schema,), {"Meta": meta, **fields}))
    assert things.searched == ("name",)


class ThingSchema(Schema):
    """A thing with two required attributes."""

    class Meta:
        type_ = "things"

    id = Id()
    size = Integer(examples=[7])
    name = Text(required=True, examples=["Æther"])
    code = Text(required=True, examples=["a-1"])


THINGS = Resource.of(ThingSchema)
CREATION = {"data": {"type": "things", "attributes": {"name": "Æther", "code": "a-1"}}}
CHANGE = {"data": {"type": "things", "id": "7", "attributes": {"size": 7}}}


def test_an_example_has_the_required_attributes() -> None:
    assert json.loads(example_document(THINGS)) == CREATION
    assert json.loads(example_document(THINGS, "7")) == CHANGE


@pytest.mark.parametrize(
    "sent",
    [
        {"name": "x"},
        {"thing": {"name": "x"}},
        {},
        {"data": None},
        {"data": [{"type": "things"}]},
        {"data": {"name": "x"}},
        [{"name": "x"}],
        "x",
        None,
    ],
)
def test_the_error_for_a_body_without_the_envelope_shows_the_envelope(sent: Any) -> None:
    for resource_id, example in ((None, CREATION), ("7", CHANGE)):
        with pytest.raises(RequestError) as caught:
            read_resource(json.dumps(sent).encode(), THINGS, resource_id=resource_id)
        details = [error.detail for error in caught.value.errors]
        shown = [detail for detail in details if "Send a document such as " in detail]
        assert len(shown) == 1
        document = shown[0].partition("Send a document such as ")[2].removesuffix(".")
        assert json.loads(document) == example


def test_other_errors_do_not_show_the_envelope() -> None:
    with pytest.raises(RequestError) as caught:
        read_resource(b'{"data": {"type": "things", "attributes": []}}', THINGS)
    assert [error.detail for error in caught.value.errors] == ["attributes must be an object."]
