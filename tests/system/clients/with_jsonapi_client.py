"""jsonapi-client: a session of resources that are changed and committed."""

import asyncio

from jsonapi_client import Modifier, Session
from jsonapi_client.exceptions import DocumentError

SCHEMA = {
    "users": {
        "properties": {
            "email": {"type": "string"},
            "name": {"type": "string"},
            "is_active": {"type": "boolean", "default": False},
            "role": {"type": "string", "default": "user"},
        }
    }
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


def _flat(user):
    return {"id": user.id, **user.json["attributes"]}
