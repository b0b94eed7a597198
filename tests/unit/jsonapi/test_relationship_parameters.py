"""Filters, `include` and `fields` of resources with relationships."""

from typing import Any

import pytest

from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.cursors import Cursors
from adapters.jsonapi.errors import RequestError
from adapters.jsonapi.parameters import collection, linkage, single, single_linkage
from adapters.resources.groups import GROUPS
from adapters.resources.users import USERS
from application.groups import GROUP_TYPE, MEMBERSHIPS, OWNER
from application.inclusion import Step
from application.relationships import Relationships
from application.search import AnyOf, Condition, IsNull, Not, Op, Related, Test, WordSearch
from application.users import USER_TYPE

CATALOG = Catalog.of([(USER_TYPE, USERS), (GROUP_TYPE, GROUPS)], Relationships(MEMBERSHIPS, OWNER))
MEMBERS, IN_GROUPS = MEMBERSHIPS.ends


def eq(attribute: str, *values: Any, folded: bool = False) -> Condition:
    return Condition(attribute, Op.EQ if len(values) == 1 else Op.IN, values, folded)


ADMIN = eq("role", "admin")
ACTIVE = eq("is_active", True)
NAMED_STAFF = eq("name", "staff", folded=True)
IN_3 = Related("groups", (eq("id", 3),))


def conditions_of(query: str, cursors: Cursors, resource: Any = USERS) -> tuple[Test, ...]:
    return collection(query, resource, cursors, CATALOG).search.conditions


def errors_of(query: str, cursors: Cursors, resource: Any = USERS) -> list[tuple[Any, ...]]:
    with pytest.raises(RequestError) as refusal:
        collection(query, resource, cursors, CATALOG)
    return [(each.code, each.parameter) for each in refusal.value.errors]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter[groups]=3", IN_3),
        ("filter[groups][eq]=3", IN_3),
        ("filter[groups]=3,4", Related("groups", (eq("id", 3, 4),))),
        ("filter[groups][]=3&filter[groups][]=4", Related("groups", (eq("id", 3, 4),))),
        ("filter[groups][ne]=3", Not(IN_3)),
        ("filter[groups][empty]=true", Not(Related("groups"))),
        ("filter[groups][empty]=false", Related("groups")),
        ("filter[groups.name]=Staff", Related("groups", (NAMED_STAFF,))),
        ("filter[groups.name][ne]=Staff", Not(Related("groups", (NAMED_STAFF,)))),
        ("filter[groups.id]=3", IN_3),
        (
            "filter[groups.description][null]=true",
            Related("groups", (IsNull("description"),)),
        ),
        (
            "filter[groups.name][contains]=st",
            Related("groups", (Condition("name", Op.CONTAINS, ("st",), folded=True),)),
        ),
        ("filter[not][role]=admin", Not(ADMIN)),
        ("filter[not][groups]=3", Not(IN_3)),
        ("filter[not][q]=bot", Not(WordSearch(("email", "name"), ("bot",)))),
    ],
)
def test_filters_of_users_are_parsed(query: str, expected: Test, cursors: Cursors) -> None:
    assert conditions_of(query, cursors) == (expected,)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("filter[owner]=7", eq("owner", 7)),
        ("filter[owner]=7,8", eq("owner", 7, 8)),
        ("filter[owner][ne]=7", Condition("owner", Op.NE, (7,))),
        ("filter[owner][empty]=true", IsNull("owner")),
        ("filter[owner][empty]=false", Not(IsNull("owner"))),
        (
            "filter[owner.email][starts_with]=ann",
            Related("owner", (Condition("email", Op.STARTS_WITH, ("ann",), folded=True),)),
        ),
        (
            "filter[owner.email]=Ann@Example.org",
            Related("owner", (eq("email_key", "ann@example.org"),)),
        ),
        ("filter[members]=7", Related("members", (eq("id", 7),))),
        ("filter[description][null]=true", IsNull("description")),
        ("filter[description][null]=false", Not(IsNull("description"))),
        ("filter[q]=staff", WordSearch(("name", "description"), ("staff",))),
    ],
)
def test_filters_of_groups_are_parsed(query: str, expected: Test, cursors: Cursors) -> None:
    assert conditions_of(query, cursors, GROUPS) == (expected,)


def test_alternatives_form_sets(cursors: Cursors) -> None:
    query = "filter[or][1][role]=admin&filter[or][2][groups]=3&filter[or][2][is_active]=true"
    assert conditions_of(query, cursors) == (AnyOf(((ADMIN,), (IN_3, ACTIVE))),)
    query = (
        "filter[or][a.1][role]=admin&filter[or][b.1][groups]=3"
        "&filter[or][b.2][not][is_active]=true&filter[is_active]=true"
    )
    assert conditions_of(query, cursors) == (ACTIVE, ADMIN, AnyOf(((IN_3,), (Not(ACTIVE),))))


def test_the_order_of_filters_does_not_change_cursors(cursors: Cursors) -> None:
    def cursor(*filters: str) -> str:
        query = "&".join(filters)
        return collection(query, USERS, cursors, CATALOG).cursors.write((7,))

    first = "filter[or][1][role]=admin", "filter[or][2][groups]=3,4", "filter[not][groups]=5"
    other = "filter[not][groups]=5", "filter[or][x][groups]=4,3", "filter[or][y][role]=admin"
    assert cursor(*first) == cursor(*other)
    assert cursor(*first) != cursor("filter[or][1][role]=admin", "filter[or][2][groups]=3")
    assert cursor("filter[groups]=3") != cursor("filter[groups]=4")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("filter[groups]", "x", "invalid_parameter"),
        ("filter[groups]", "0", "invalid_parameter"),
        ("filter[groups]", "", "invalid_parameter"),
        ("filter[groups][gt]", "3", "invalid_parameter"),
        ("filter[groups][null]", "true", "invalid_parameter"),
        ("filter[groups][empty]", "yes", "invalid_parameter"),
        ("filter[groups][empty]", "", "invalid_parameter"),
        ("filter[role][empty]", "true", "invalid_parameter"),
        ("filter[role][null]", "true", "invalid_parameter"),
        ("filter[groups.members.name]", "x", "unknown_attribute"),
        ("filter[groups.members]", "7", "unknown_attribute"),
        ("filter[groups.shoe_size]", "7", "unknown_attribute"),
        ("filter[role.name]", "7", "unknown_attribute"),
        ("filter[groups.q]", "7", "unknown_attribute"),
        ("filter[or][1]", "7", "invalid_parameter"),
        ("filter[or]", "7", "invalid_parameter"),
        ("filter[or][A][role]", "admin", "invalid_parameter"),
        ("filter[or][123456789][role]", "admin", "invalid_parameter"),
        ("filter[or][a.b.c][role]", "admin", "invalid_parameter"),
        ("filter[or][1][not]", "admin", "invalid_parameter"),
        ("filter[or][1][or][2][role]", "admin", "invalid_parameter"),
        ("filter[not]", "admin", "invalid_parameter"),
        ("filter[not][or][1][role]", "admin", "invalid_parameter"),
        ("filter[not][not][role]", "admin", "unknown_attribute"),
        ("filter[role][eq][eq]", "admin", "unknown_parameter"),
        ("filter[q][eq]", "ann", "invalid_parameter"),
        ("filter[groups[id]]", "3", "unknown_parameter"),
    ],
)
def test_invalid_filters_are_rejected_with_their_parameter(
    name: str, value: str, code: str, cursors: Cursors
) -> None:
    assert errors_of(f"{name}={value}", cursors) == [(code, name)]


def test_limits_count_alternatives(cursors: Cursors) -> None:
    eight = "&".join(f"filter[or][{n}][groups]=3" for n in range(8))
    assert len(conditions_of(eight, cursors)) == 1
    assert errors_of(f"{eight}&filter[or][x.1][role]=admin", cursors) == [
        ("invalid_parameter", "filter[or]")
    ]
    most = ",".join(map(str, range(1, 251)))
    conditions_of(f"filter[or][1][groups]={most}&filter[or][2][groups]={most}", cursors)
    assert errors_of(f"filter[or][1][groups]={most}&filter[or][2][groups]={most},1", cursors) == [
        ("invalid_parameter", "filter[or][2][groups]")
    ]
    many = "&".join(f"filter[or][1][groups.id][{n}]=3" for n in range(21))
    assert errors_of(many, cursors)[0][0] == "invalid_parameter"


@pytest.mark.parametrize("sort", ["groups", "groups.name", "-owner"])
def test_lists_are_not_sorted_by_relationships(sort: str, cursors: Cursors) -> None:
    with pytest.raises(RequestError) as refusal:
        collection(f"sort={sort}", USERS, cursors, CATALOG)
    (error,) = refusal.value.errors
    assert (error.parameter, error.type_link is None) == ("sort", False)


def test_include_has_each_step_once() -> None:
    shown = single("include=owner,members.groups,members", GROUPS, CATALOG)
    assert shown.steps == (Step(OWNER), Step(MEMBERS, (Step(IN_GROUPS),)))
    assert shown.is_compound
    assert single("include=", GROUPS, CATALOG).is_compound
    assert not single("fields[groups]=name", GROUPS, CATALOG).is_compound


@pytest.mark.parametrize(
    ("include", "code"),
    [
        ("Owner", "unknown_relationship"),
        ("owner, members", "unknown_relationship"),
        ("members.owner", "unknown_relationship"),
        ("owner,", "unknown_relationship"),
        ("members.", "unknown_relationship"),
        ("members.groups.members.groups", "too_much_included"),
        (",".join(["owner"] * 11), "too_much_included"),
    ],
)
def test_invalid_paths_of_include_are_rejected(include: str, code: str) -> None:
    with pytest.raises(RequestError) as refusal:
        single(f"include={include}", GROUPS, CATALOG)
    assert [(e.code, e.parameter) for e in refusal.value.errors] == [(code, "include")]


def test_an_unknown_relationship_is_explained() -> None:
    with pytest.raises(RequestError) as refusal:
        single("include=members.group", GROUPS, CATALOG)
    assert [each.detail for each in refusal.value.errors] == [
        "Unknown relationship 'group' of users. Did you mean 'groups'? Known: groups."
    ]


@pytest.mark.parametrize(
    ("query", "fits"),
    [
        ("include=members.groups", True),  # 625 + 15,625
        ("page[size]=38&include=members.groups", True),  # 24,700
        ("page[size]=39&include=members.groups", False),
        ("page[size]=1000&include=members", True),
        ("page[size]=962&include=owner,members", False),
        ("page[size]=961&include=owner,members", True),
        ("page[size]=2&include=members.groups.members", False),
    ],
)
def test_the_number_of_included_resources_is_bounded(
    query: str, fits: bool, cursors: Cursors
) -> None:
    if fits:
        collection(query, GROUPS, cursors, CATALOG)
        return
    with pytest.raises(RequestError) as refusal:
        collection(query, GROUPS, cursors, CATALOG)
    assert [each.code for each in refusal.value.errors] == ["too_much_included"]


def test_paths_on_a_relationship_url_begin_with_it(cursors: Cursors) -> None:
    shown = linkage("include=members.groups.owner", MEMBERS, cursors, CATALOG).selection
    assert (shown.steps, shown.includes_items) == ((Step(IN_GROUPS, (Step(OWNER),)),), True)
    assert not linkage("include=", MEMBERS, cursors, CATALOG).selection.includes_items
    for include in ("groups", "owner", "members.members"):
        with pytest.raises(RequestError):
            linkage(f"include={include}", MEMBERS, cursors, CATALOG)
    linkage("page[size]=961&include=members.groups", MEMBERS, cursors, CATALOG)
    with pytest.raises(RequestError):  # 962 members and 24,050 groups
        linkage("page[size]=962&include=members.groups", MEMBERS, cursors, CATALOG)
    assert single_linkage("include=owner", OWNER, CATALOG).includes_items


def test_fields_name_attributes_and_relationships(cursors: Cursors) -> None:
    query = "fields[users]=name,groups&fields[groups]=owner"
    shown = collection(query, USERS, cursors, CATALOG).selection
    assert shown.fields("users") == frozenset({"name", "groups"})
    assert shown.fields("groups") == frozenset({"owner"})
    assert errors_of("fields[users]=members&fields[books]=x", cursors) == [
        ("unknown_attribute", "fields[users]"),
        ("unknown_parameter", "fields[books]"),
    ]
