"""jsonapi-requests: endpoints, and objects that are sent and received."""

import json

from jsonapi_requests import Api
from jsonapi_requests.data import JsonApiObject
from jsonapi_requests.request_factory import ApiClientError


class Users:
    RequestError = ApiClientError

    def __init__(self, url):
        self._api = Api.config(API_ROOT=url, TIMEOUT=10, RETRIES=1)

    def create(self, attributes):
        user = JsonApiObject(type="users", attributes=attributes)
        return _flat(self._api.endpoint("users").post(object=user).data)

    def read(self, user_id):
        return _flat(self._api.endpoint(f"users/{user_id}").get().data)

    def change(self, user_id, attributes):
        user = JsonApiObject(type="users", id=user_id, attributes=attributes)
        return _flat(self._api.endpoint(f"users/{user_id}").patch(object=user).data)

    def remove(self, user_id):
        self._api.endpoint(f"users/{user_id}").delete()

    def pages(self, *, role, sort, size):
        parameters = {"filter[role]": role, "sort": sort, "page[size]": size, "page[number]": 1}
        while True:
            response = self._api.endpoint("users").get(params=parameters)
            yield [_flat(user) for user in response.data]
            if not response.payload["links"]["next"]:
                return
            parameters["page[number]"] += 1

    def problems(self, error):
        return json.loads(error.content)["errors"]

    def create_group(self, name, *, owner, members):
        group = JsonApiObject.from_data(
            {
                "type": "groups",
                "attributes": {"name": name},
                "relationships": {
                    "owner": {"data": _identifier(owner)},
                    "members": {"data": [_identifier(member) for member in members]},
                },
            }
        )
        return self._api.endpoint("groups").post(object=group).data.id

    def read_group(self, group_id):
        endpoint = self._api.endpoint(f"groups/{group_id}")
        content = endpoint.get(params={"include": "owner,members"}).content
        names = {user.id: user.attributes["name"] for user in content.included}
        owner, members = (content.data.relationships[name].data for name in ("owner", "members"))
        return content.data.attributes["name"], names.get(owner.id), [names[m.id] for m in members]

    def add_member(self, group_id, user_id):
        self._members(group_id).post(json={"data": [_identifier(user_id)]})

    def remove_member(self, group_id, user_id):
        self._members(group_id).delete(json={"data": [_identifier(user_id)]})

    def set_owner(self, group_id, user_id):
        endpoint = self._api.endpoint(f"groups/{group_id}/relationships/owner")
        endpoint.patch(json={"data": user_id and _identifier(user_id)})

    def members(self, group_id):
        page = self._api.endpoint(f"groups/{group_id}/members").get()
        return [user.attributes["name"] for user in page.data]

    def users_of(self, group_id):
        page = self._api.endpoint("users").get(params={"filter[groups]": group_id})
        return [user.attributes["name"] for user in page.data]

    def _members(self, group_id):
        return self._api.endpoint(f"groups/{group_id}/relationships/members")


def _identifier(user_id):
    return {"type": "users", "id": user_id}


def _flat(user):
    return {"id": user.id, **user.attributes}
