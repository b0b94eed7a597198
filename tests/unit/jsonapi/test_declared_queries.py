"""Lists of users and groups can be sorted and compared by every attribute."""

import pytest

from adapters.jsonapi.kinds import EQUALITY
from adapters.jsonapi.resource import Resource
from adapters.resources.groups import GROUPS
from adapters.resources.users import USERS


@pytest.mark.parametrize("resource", [USERS, GROUPS], ids=["users", "groups"])
def test_lists_are_sorted_and_compared_by_every_attribute(resource: Resource) -> None:
    assert {*resource.attributes, "id"} == {*resource.sortable}
    for name, attribute in resource.sortable.items():
        assert all(attribute.field.allows(op) for op in EQUALITY), name
