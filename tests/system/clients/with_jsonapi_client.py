"""jsonapi-client: a session of resources that are changed and committed."""

import asyncio

from jsonapi_client import Inclusion, Modifier, Session
from jsonapi_client.exceptions import DocumentError

SCHEMA = {
    "users": {
        "properties": {
            "email": {"type": "string"},
            "name": {"type": "string"},
            "is_active": {"type": "boolean", "default": False},
            "role": {"type": "string", "default": "user"},
        }
    },
    "groups": {
        "properties": {
            "name": {"type": "string"},
            "owner": {"relation": "to-one", "resource": ["users"]},
            "members": {"relation": "to-many", "resource": ["users"]},
        }
    },
}


class Users:
    RequestError = DocumentError

    def __init__(self, url):
        self._url = url

    def _session(self):
        return Session(self._url, schema=SCHEMA)

    def create(self, attributes):
        with self._session() as session:
            return _flat(session.create_and_commit("users", fields=attributes))

    def read(self, user_id):
        with self._session() as session:
            return _flat(session.get("users", user_id).resource)

    def change(self, user_id, attributes):
        with self._session() as session:
            user = session.get("users", user_id).resource
            for name, value in attributes.items():
                user[name] = value
            user.commit()
            return _flat(user)

    def remove(self, user_id):
        asyncio.run(self._remove(user_id))

    async def _remove(self, user_id):
        async with Session(self._url, schema=SCHEMA, enable_async=True) as session:
            user = (await session.get("users", user_id)).resource
            user.delete()
            await user.commit()

    def pages(self, *, role, sort, size):
        parameters = Modifier(f"filter[role]={role}&sort={sort}&page[size]={size}")
        with self._session() as session:
            page = session.get("users", parameters)
            while True:
                yield [_flat(user) for user in page.resources]
                if not page.links.next:
                    return
                page = page.links.next.fetch()

    def problems(self, error):
        return error.response.json()["errors"]

    def create_group(self, name, *, owner, members):
        fields = {"name": name, "owner": owner, "members": members}
        with self._session() as session:
            return session.create_and_commit("groups", fields=fields).id

    def read_group(self, group_id):
        with self._session() as session:
            group = self._group(session, group_id)
            owner = group.relationships.owner.resource
            members = group.relationships.members.resources
            return group.name, owner and owner.name, [user.name for user in members]

    def add_member(self, group_id, user_id):
        with self._session() as session:
            group = self._group(session, group_id)
            group.relationships.members.add([user_id], "users")
            group.commit()

    def remove_member(self, group_id, user_id):
        with self._session() as session:
            group = self._group(session, group_id)
            members = group.relationships.members
            members.set([user for user in members.resources if user.id != user_id])
            group.commit()

    def set_owner(self, group_id, user_id):
        with self._session() as session:
            group = session.get("groups", group_id).resource
            group.relationships.owner.set(user_id, "users")
            group.commit()

    def members(self, group_id):
        with self._session() as session:
            group = session.get("groups", group_id).resource
            return [user.name for user in group.relationships.members.fetch()]

    def users_of(self, group_id):
        with self._session() as session:
            page = session.get("users", Modifier(f"filter[groups]={group_id}"))
            return [user.name for user in page.resources]

    def _group(self, session, group_id):
        return session.get(f"groups/{group_id}", Inclusion("owner", "members")).resource


def _flat(user):
    return {"id": user.id, **user.json["attributes"]}
