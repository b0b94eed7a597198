"""The session of every Python client: session.py CLIENT BASE_URL, over an empty directory."""

import sys
from collections.abc import Callable
from importlib import import_module

client, base_url = sys.argv[1:]
users = import_module(client).Users(f"{base_url}/api/v1")
EMAIL = "/data/attributes/email"


def refusal(call: Callable[..., object], *arguments: object) -> list[tuple[str, str, str | None]]:
    """The status, code and pointer of each error of a rejected call."""
    try:
        call(*arguments)
    except users.RequestError as error:
        found = users.problems(error)
        return [(e["status"], e["code"], e.get("source", {}).get("pointer")) for e in found]
    raise AssertionError("not refused")


ann = users.create({"email": "ann@example.org", "name": "Ann"})
assert ann["id"].isdecimal()
assert users.read(ann["id"])["email"] == "ann@example.org"
assert users.read(ann["id"])["is_active"] is False

for name in ("Bea", "Cem", "Dag", "Eva", "Fin"):
    more = {"role": "guest", "is_active": True}
    users.create({"email": f"{name}@example.org", "name": name, **more})
pages = users.pages(role="guest", sort="-name", size=2)
names = [" ".join(user["name"] for user in page) for page in pages]
assert names == ["Fin Eva", "Dag Cem", "Bea"], names

assert users.change(ann["id"], {"name": "Ann Other"})["name"] == "Ann Other"
changed = users.read(ann["id"])
assert (changed["name"], changed["email"]) == ("Ann Other", "ann@example.org")

invalid = {"email": "invalid", "name": "No"}
assert refusal(users.create, invalid) == [("422", "invalid_email", EMAIL)]
taken = {"email": "ANN@example.org", "name": "Ann"}
assert refusal(users.create, taken) == [("409", "email_taken", EMAIL)]
bea = {"email": "bea@example.org"}
assert refusal(users.change, ann["id"], bea) == [("409", "email_taken", EMAIL)]

bea, cem = next(iter(users.pages(role="guest", sort="name", size=2)))
staff = users.create_group("Staff", owner=ann["id"], members=[bea["id"], cem["id"]])


def state() -> tuple[str, str | None, list[str]]:
    """The name of the group, the name of its owner, and the names of its members."""
    name, owner, members = users.read_group(staff)
    return name, owner, sorted(members)


assert state() == ("Staff", "Ann Other", ["Bea", "Cem"])
users.remove_member(staff, bea["id"])
users.add_member(staff, ann["id"])
users.set_owner(staff, cem["id"])
assert state() == ("Staff", "Cem", ["Ann Other", "Cem"])
assert sorted(users.members(staff)) == ["Ann Other", "Cem"]
assert sorted(users.users_of(staff)) == ["Ann Other", "Cem"]
users.set_owner(staff, None)
assert state() == ("Staff", None, ["Ann Other", "Cem"])

users.remove(ann["id"])
assert state() == ("Staff", None, ["Cem"])
assert refusal(users.read, ann["id"]) == [("404", "user_not_found", None)]
sys.stdout.write(f"{client}: all done\n")
