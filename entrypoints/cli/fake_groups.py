"""Invents the groups of an organization: departments with teams, sites, and projects."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any, Final

DEPARTMENTS: Final = {
    "Engineering": ("Platform", "Mobile", "Data", "Quality", "Infrastructure", "Security"),
    "Sales": ("Europe", "Americas", "Asia", "Partners"),
    "Support": ("First Line", "Second Line", "Training"),
    "Research": ("Materials", "Optics", "Methods"),
    "Finance": ("Accounting", "Payroll", "Controlling"),
    "People": ("Recruiting", "Learning"),
    "Legal": ("Contracts", "Patents"),
}
"""The teams of each department. Departments and teams are in the order of their size."""
SITES: Final = ("Zürich", "Kraków", "東京", "Αθήνα", "São Paulo", "İstanbul", "서울", "Київ")
PROJECTS: Final = ("Atlas", "Borealis", "Caravel", "Délos", "Эльбрус", "Fuji", "Ганг", "Horizon")

_IN_PROJECT: Final = 0.3
_SAMPLED_USERS: Final = 2000
"""The number of users from whom the groups and their owners are chosen."""
_MIN_MEMBERS: Final = 2
"""The minimum number of members of a group."""
_SEPARATOR: Final = " / "
_DESCRIPTIONS: Final = {
    "Sites": "Everyone who works at this site.",
    "Projects": "The members of this project, from all departments.",
}

User = dict[str, Any]


@dataclass(slots=True)
class _Members:
    """The first members of a group."""

    owner: str
    count: int = field(default=0)


def fake_groups(users: Iterable[User], seed: int = 0) -> Iterator[dict[str, Any]]:
    """The attributes of the groups that have members, and their owners.

    The owner is the email of the first member. Sites have no owner. Only the first users are read,
    so a long list of users does not add groups.
    """
    members_by_group: dict[str, _Members] = {}
    for name, email in _pairs(islice(users, _SAMPLED_USERS), seed):
        members_by_group.setdefault(name, _Members(email)).count += 1
    for name, members in sorted(members_by_group.items()):
        if members.count >= _MIN_MEMBERS:
            top = name.split(_SEPARATOR)[0]
            owner = None if top == "Sites" else members.owner
            yield {"name": name, "description": _DESCRIPTIONS.get(top), "owner": owner}


def fake_memberships(
    users: Iterable[User], groups: Iterable[str], seed: int = 0
) -> Iterator[dict[str, str]]:
    """The names of the groups, with the emails of their members."""
    names = frozenset(groups)
    for name, email in _pairs(users, seed):
        if name in names:
            yield {"group": name, "user": email}


def _pairs(users: Iterable[User], seed: int) -> Iterator[tuple[str, str]]:
    """The names of groups and the emails of their members, in the order of the users."""
    random = Random(seed)
    departments, sizes = [*DEPARTMENTS], _zipf(DEPARTMENTS)
    for user in users:
        (department,) = random.choices(departments, sizes)
        teams = DEPARTMENTS[department]
        (team,) = random.choices(teams, _zipf(teams))
        (site,) = random.choices(SITES, _zipf(SITES))
        yield department, user["email"]
        yield _SEPARATOR.join((department, team)), user["email"]
        yield _SEPARATOR.join(("Sites", site)), user["email"]
        if random.random() < _IN_PROJECT:
            (project,) = random.choices(PROJECTS, _zipf(PROJECTS))
            yield _SEPARATOR.join(("Projects", project)), user["email"]


def _zipf(items: Iterable[str]) -> Sequence[float]:
    """Weights by Zipf's law: the second is half of the first, the third is a third of it."""
    return [1 / rank for rank, _ in enumerate(items, start=1)]
