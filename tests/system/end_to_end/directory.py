"""The expected content of a directory in plain dictionaries, and clients that change it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
from roster_process import ATOMIC, JSONAPI, OPERATIONS

API = "/api/v1"
SIZE = "page[size]=1000"
CLIENTS = 8
MOST = 30
"""The most users that one request adds or removes."""
Json = dict[str, Any]
Pair = tuple[str, str]


@dataclass
class Model:
    """The expected content. The ids are strings, as in documents."""

    users: dict[str, Json]
    """The attributes of each user."""
    groups: dict[str, Json]
    """The attributes of each group."""
    owners: dict[str, str | None]
    """The owner of each group."""
    pairs: set[Pair]
    """The memberships: the ids of the group and of the user."""

    def members(self) -> dict[str, list[str]]:
        """The members of each group, in the order of their ids."""
        found = defaultdict(list)
        for group, user in sorted(self.pairs, key=lambda pair: int(pair[1])):
            found[group].append(user)
        return {group: found[group] for group in self.groups}

    def groups_of_users(self) -> dict[str, list[str]]:
        """The groups of each user, in the order of their ids."""
        found = defaultdict(list)
        for group, user in sorted(self.pairs, key=lambda pair: int(pair[0])):
            found[user].append(group)
        return {user: found[user] for user in self.users}


class Service:
    """Sends requests, and fails if the status of a response is not the expected one."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str) -> Json:
        response = self._client.get(path if path.startswith(API) else f"{API}{path}")
        assert response.status_code == 200, (path, response.text)
        return response.json()

    def items(self, path: str) -> Iterator[Json]:
        """The resources on all pages of a list."""
        url: str | None = path
        while url:
            document = self.get(url)
            yield from document["data"]
            url = document["links"]["next"]

    def send(self, method: str, path: str, body: Any, **headers: str) -> httpx.Response:
        headers = {"Content-Type": JSONAPI, **headers}
        return self._client.request(method, f"{API}{path}", json=body, headers=headers)

    def change(self, method: str, path: str, body: Any, status: int = 204) -> Json:
        """Sends a change, and returns the document of the response, if it has one."""
        response = self.send(method, path, body)
        assert response.status_code == status, (method, path, response.text)
        return response.json() if response.content else {}

    def operate(self, *operations: Json) -> list[Json]:
        """Sends operations, and returns their results."""
        response = self._client.post(
            OPERATIONS,
            json={"atomic:operations": list(operations)},
            headers={"Content-Type": ATOMIC, "Accept": ATOMIC},
        )
        assert response.status_code == 200, response.text
        return response.json()["atomic:results"]

    def whole_list(self, path: str) -> tuple[list[str], str]:
        """The ids on the only page of a list, and its ETag."""
        response = self._client.get(f"{API}{path}?{SIZE}")
        document = response.json()
        assert (document["links"]["prev"], document["links"]["next"]) == (None, None)
        return ids(document["data"]), response.headers["ETag"]


class Changer:
    """One of several clients that change a directory at the same time.

    It changes the memberships of its own users in all groups, from either side, and the attributes
    and owners of its own groups. So the result does not depend on the order of the changes.
    Each client holds the part of the expected content that it changes.
    """

    def __init__(self, service: Service, before: Model, number: int) -> None:
        self._service = service
        self._random = Random(number)
        self._number = number
        users, groups = list(before.users), list(before.groups)
        self._own_users = users[number::CLIENTS]
        self.users = {each: before.users[each] for each in self._own_users}
        # Each client deletes one group. None changes its memberships or owner before.
        deleted = groups[1 : CLIENTS + 1]
        self._to_delete = deleted[number]
        self._groups = [each for each in groups if each not in deleted]
        self._small = [
            each
            for each, members in before.members().items()
            if each in self._groups and len(members) < 500
        ]
        self.groups = {each: before.groups[each] for each in groups[number::CLIENTS]}
        self.owners = {each: before.owners[each] for each in self.groups}
        own = set(self._own_users)
        self.pairs = {pair for pair in before.pairs if pair[1] in own}
        self.deleted_users: set[str] = set()
        self.deleted_group = ""

    def run(self, changes: int) -> None:
        """Creates a number of changes, which are the same in each run."""
        actions: tuple[tuple[Callable[[], None], int], ...] = (
            (self._add_members, 4),
            (self._remove_members, 3),
            (self._add_groups, 2),
            (self._remove_groups, 2),
            (self._replace_groups, 3),
            (self._change_user, 2),
            (self._replace_members, 3),
            (self._set_owner, 2),
            (self._change_group, 2),
            (self._create, 2),
            (self._delete_user, 1),
        )
        chosen = self._random.choices(
            [action for action, _ in actions], [weight for _, weight in actions], k=changes
        )
        for number, action in enumerate(chosen):
            action()
            if number == changes // 2:
                self._delete_group()

    # -- choices -------------------------------------------------------------------------------

    def _some_users(self) -> list[str]:
        most = min(MOST, len(self._own_users))
        return self._random.sample(self._own_users, self._random.randint(1, most))

    def _user(self) -> str:
        return self._random.choice(self._own_users)

    def _group(self) -> str:
        """Returns one of the first groups more often: they are the largest."""
        return self._groups[int(self._random.random() ** 3 * len(self._groups))]

    def _some_groups(self) -> list[str]:
        return [*{self._group(): None for _ in range(self._random.randint(0, 5))}]

    def _own_group(self) -> str:
        return self._random.choice([each for each in self.groups if each in self._groups])

    # -- changes of memberships ----------------------------------------------------------------

    def _add_members(self) -> None:
        group, users = self._group(), self._some_users()
        self._service.change("POST", members(group), {"data": identifiers("users", users)})
        self.pairs |= {(group, user) for user in users}

    def _remove_members(self) -> None:
        group, users = self._group(), self._some_users()
        self._service.change("DELETE", members(group), {"data": identifiers("users", users)})
        self.pairs -= {(group, user) for user in users}

    def _add_groups(self) -> None:
        user, groups = self._user(), self._some_groups()
        self._service.change("POST", groups_of(user), {"data": identifiers("groups", groups)})
        self.pairs |= {(group, user) for group in groups}

    def _remove_groups(self) -> None:
        user, groups = self._user(), self._some_groups()
        self._service.change("DELETE", groups_of(user), {"data": identifiers("groups", groups)})
        self.pairs -= {(group, user) for group in groups}

    def _replace_groups(self) -> None:
        user, groups = self._user(), self._some_groups()
        self._service.change("PATCH", groups_of(user), {"data": identifiers("groups", groups)})
        self._set_groups(user, groups)

    def _set_groups(self, user: str, groups: list[str]) -> None:
        self.pairs = {pair for pair in self.pairs if pair[1] != user}
        self.pairs |= {(group, user) for group in groups}

    def _replace_members(self) -> None:
        """Replaces a list that other clients also change. Tries again after a conflict."""
        group = self._random.choice(self._small)
        users, own = set(self._some_users()), set(self._own_users)
        while True:
            present, etag = self._service.whole_list(members(group))
            others = [user for user in present if user not in own]
            body = {"data": identifiers("users", [*others, *users])}
            response = self._service.send("PATCH", members(group), body, **{"If-Match": etag})
            if response.status_code == 204:
                break
            # 404 if another client has deleted one of its users since.
            assert response.status_code in (404, 412), response.text
        self.pairs = {pair for pair in self.pairs if pair[0] != group or pair[1] not in own}
        self.pairs |= {(group, user) for user in users}

    # -- changes of users and groups -----------------------------------------------------------

    def _change_user(self) -> None:
        user, groups = self._user(), self._some_groups()
        name = f"Renamed {user} 改名"
        self._service.change(
            "PATCH",
            f"/users/{user}",
            {
                "data": {
                    "type": "users",
                    "id": user,
                    "attributes": {"name": name},
                    "relationships": {"groups": {"data": identifiers("groups", groups)}},
                }
            },
            200,
        )
        self.users[user] = {**self.users[user], "name": name}
        self._set_groups(user, groups)

    def _set_owner(self) -> None:
        group = self._own_group()
        owner = self._random.choice([None, self._user()])
        data = owner and identifier("users", owner)
        self._service.change("PATCH", f"/groups/{group}/relationships/owner", {"data": data})
        self.owners[group] = owner

    def _change_group(self) -> None:
        group, owner = self._own_group(), self._user()
        description = self._random.choice([None, f"Changed {group}"])
        data = {
            **identifier("groups", group),
            "attributes": {"description": description},
            "relationships": {"owner": {"data": identifier("users", owner)}},
        }
        self._service.change("PATCH", f"/groups/{group}", {"data": data}, 200)
        self.groups[group] = {**self.groups[group], "description": description}
        self.owners[group] = owner

    def _create(self) -> None:
        """Creates a user, and a group that it owns, with other members, in one request."""
        number = f"{self._number}-{len(self.users)}-{len(self.groups)}"
        user = {"email": f"new.{number}@example.org", "name": f"New {number} 新"}
        group, members = {"name": f"New / {number} / Новая"}, self._some_users()
        groups = self._some_groups()
        new_user = {
            "type": "users",
            "lid": "user",
            "attributes": user,
            "relationships": {"groups": {"data": identifiers("groups", groups)}},
        }
        linkage = [{"type": "users", "lid": "user"}, *identifiers("users", members)]
        new_group = {
            "type": "groups",
            "attributes": group,
            "relationships": {
                "owner": {"data": {"type": "users", "lid": "user"}},
                "members": {"data": linkage},
            },
        }
        results = self._service.operate(
            {"op": "add", "data": new_user}, {"op": "add", "data": new_group}
        )
        user_id, group_id = (result["data"]["id"] for result in results)
        self._own_users.append(user_id)
        self.users[user_id] = {**user, "is_active": False, "role": "user"}
        self.groups[group_id] = {**group, "description": None}
        self._groups.append(group_id)  # only this client knows it
        self.owners[group_id] = user_id
        self.pairs |= {(each, user_id) for each in groups}
        self.pairs |= {(group_id, each) for each in [user_id, *members]}

    def _delete_user(self) -> None:
        user = self._user()
        self._service.change("DELETE", f"/users/{user}", None)
        self._own_users.remove(user)
        del self.users[user]
        self.deleted_users.add(user)
        self._set_groups(user, [])
        # The groups of other clients also lose this owner: see `result_of`.
        self.owners = {
            group: None if owner == user else owner for group, owner in self.owners.items()
        }

    def _delete_group(self) -> None:
        self._service.change("DELETE", f"/groups/{self._to_delete}", None)
        self.deleted_group = self._to_delete


def result_of(changers: Iterable[Changer]) -> Model:
    """Joins the parts of the expected content."""
    changers = [*changers]
    deleted_users = {user for each in changers for user in each.deleted_users}
    deleted_groups = {each.deleted_group for each in changers}
    users = {user: found for each in changers for user, found in each.users.items()}
    groups = {
        group: found
        for each in changers
        for group, found in each.groups.items()
        if group not in deleted_groups
    }
    owners = {
        group: None if owner in deleted_users else owner
        for each in changers
        for group, owner in each.owners.items()
        if group in groups
    }
    pairs = {pair for each in changers for pair in each.pairs if pair[0] in groups}
    return Model(by_id(users), by_id(groups), owners, pairs)


def by_id(values: dict[str, Any]) -> dict[str, Any]:
    return dict(sorted(values.items(), key=lambda item: int(item[0])))


def members(group: str) -> str:
    return f"/groups/{group}/relationships/members"


def groups_of(user: str) -> str:
    return f"/users/{user}/relationships/groups"


def identifier(kind: str, number: str) -> Json:
    return {"type": kind, "id": number}


def identifiers(kind: str, numbers: Iterable[str]) -> list[Json]:
    return [identifier(kind, number) for number in numbers]


def ids(items: Iterable[Json]) -> list[str]:
    return [item["id"] for item in items]
