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


def _flat(user):
    return {"id": user.id, **user.attributes}
