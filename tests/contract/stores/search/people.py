"""Twelve users, and what searches among them return."""

import operator

import pytest
from contract.stores.directories import Directory

from application.ports import Context
from application.search import Key, Order, Page, Test, total_order
from domain.users import User, UserChanges

ATTRIBUTES = tuple(name for name in User._fields if name != "version")
NAMES = ("Zoe", "ann", "Ann", "Åsa", "Asa", "ann", "Éva", "Eva", "𝒜da", "\uffffx", "z", "Ann B")


def add_people(directory: Directory) -> list[User]:
    """Adds users with repeated names, roles and states."""
    added = [
        directory.add(
            f"user{number}@example.org",
            name,
            is_active=number % 2 == 0,
            role=("user", "admin", "a-b", "a_b")[number % 4],
        )
        for number, name in enumerate(NAMES)
    ]
    changed = directory.commands.change(added[3].id, UserChanges({"role": "user"}), Context())
    return [changed if user.id == changed.id else user for user in added]


def ids(page: Page[User]) -> list[int]:
    return [user.id for user in page.items]


def find_ids(directory: Directory, *conditions: Test) -> list[int]:
    return [user.id for user in directory.find(*conditions)]


def in_order(people: list[User], ordering: tuple[Order, ...]) -> list[User]:
    """Sorts stably by each attribute, the least important one first."""
    for order in reversed(ordering):
        people = sorted(people, key=operator.attrgetter(order.attribute), reverse=order.descending)
    return people


def key_of(user: User, ordering: tuple[Order, ...]) -> Key:
    return tuple(getattr(user, order.attribute) for order in ordering)


ORDERINGS = [
    *((Order(attribute, down),) for attribute in ATTRIBUTES for down in (False, True)),
    *(
        (Order(first, one), Order(second, other))
        for first, second in (("role", "name"), ("is_active", "role"), ("name", "creation_time"))
        for one in (False, True)
        for other in (False, True)
    ),
    (Order("is_active"), Order("role", descending=True), Order("name"), Order("id", True)),
]
every_ordering = pytest.mark.parametrize(
    "ordering",
    [total_order(orders) for orders in ORDERINGS],
    ids=lambda orders: ",".join("-" * o.descending + o.attribute for o in orders),
)
