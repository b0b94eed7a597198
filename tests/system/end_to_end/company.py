"""An invented company: its users, and groups with hierarchical names in several scripts.

The sizes of groups follow Zipf's law: a few have most of the members, and most have few.
"""

import csv
import json
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from domain.text import fold
from entrypoints.cli.fake_people import fake_people

DIVISIONS = (
    "Engineering", "Sales", "Übersee", "Développement", "Łączność", "Διοίκηση", "Закупки",
    "פיתוח", "الموارد البشرية", "विपणन", "การเงิน", "研发部", "開発本部", "영업본부",
)  # fmt: skip
UNITS = (
    "Platform", "Support / 24×7", "O'Brien & Co", "Qualität", "Équipe nº 1", "Отдел кадров",
    "测试", "品質保証", "\u202bבדיקות\u202c", "Ⅳ", "👩‍🚀", "50 %", "a_b", "x,y;z", 'the "A" team',
)  # fmt: skip
SITES = ("Zürich", "Kraków", "Αθήνα", "Москва", "تونس", "東京", "서울", "São Paulo", "İstanbul")
DESCRIPTIONS = (
    None,
    "Everyone.",
    'Says "hello", twice.',
    "First line\nsecond line\ttab",
    "部署の説明",
    "d" * 500,
)
MAX_SHARE = 0.6
"""The part of the company that is in its largest group."""


@dataclass
class Group:
    """A group. The owner and the members are emails."""

    name: str
    description: str | None
    owner: str | None
    members: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Company:
    """The users, by attributes, and the groups."""

    people: list[dict[str, Any]]
    groups: list[Group]

    @property
    def memberships(self) -> int:
        return sum(len(group.members) for group in self.groups)


def company(people: int, groups: int) -> Company:
    """Returns the same company in each run."""
    random = Random(people)
    users = list(fake_people(people, seed=people))
    emails = [user["email"] for user in users]
    return Company(users, [_group(rank, groups, emails, random) for rank in range(1, groups + 1)])


def _group(rank: int, groups: int, emails: list[str], random: Random) -> Group:
    size = 0 if rank == groups else int(MAX_SHARE * len(emails) / rank)  # the last group is empty
    owner = None if rank % 7 == 0 else random.choice(emails)
    members = random.sample(emails, size)
    return Group(_name(rank, random), random.choice(DESCRIPTIONS), owner, members)


def _name(rank: int, random: Random) -> str:
    """A path such as "Sales / Zürich / Platform 17". The number makes it unique."""
    levels = [random.choice(DIVISIONS), random.choice(SITES), f"{random.choice(UNITS)} {rank}"]
    return " / ".join(levels[-random.randint(1, 3) :])


def write_users(company: Company, file: Path) -> None:
    words = {True: "true", False: "false"}
    rows = [
        [words.get(each[name], each[name]) for name in ("email", "name", "is_active", "role")]
        for each in company.people
    ]
    _write(file, ["email", "name", "is_active", "role"], rows)


def write_groups(company: Company, file: Path) -> None:
    rows = [[each.name, each.description or "", each.owner or ""] for each in company.groups]
    _write(file, ["name", "description", "owner"], rows)


def write_memberships(company: Company, file: Path) -> None:
    """Writes the memberships in random order. Some names and emails have another spelling."""
    random = Random(company.memberships)
    pairs = [(group.name, email) for group in company.groups for email in group.members]
    random.shuffle(pairs)
    with file.open("w", encoding="utf-8") as lines:
        for pair in pairs:
            group, user = (_another_spelling(each, random) for each in pair)
            lines.write(json.dumps({"user": user, "group": group}, ensure_ascii=False) + "\n")


def _another_spelling(text: str, random: Random) -> str:
    other = text.upper() if random.random() < 0.1 else text
    return other if fold(other) == fold(text) else text


def _write(file: Path, header: list[str], rows: list[list[Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows([header, *rows])
