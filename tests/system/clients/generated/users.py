"""A client generated from /openapi.json by openapi-python-client."""

import sys

from roster_client import Client
from roster_client.api.users import change_users, create_users, delete_users, list_users, show_users
from roster_client.models import (
    UsersChange,
    UsersChangeData,
    UsersChangeDataAttributes,
    UsersCreation,
    UsersCreationData,
    UsersCreationDataAttributes,
)

client = Client(sys.argv[1], raise_on_unexpected_status=True)

ann = UsersCreationDataAttributes(email="ann@example.org", name="Ann")
sent = UsersCreation(UsersCreationData("users", ann))
created = create_users.sync(client=client, body=sent).data
assert created.attributes.is_active is False

read = show_users.sync_detailed(created.id, client=client)
assert read.parsed.data.attributes.email == "ann@example.org"

page = list_users.sync(client=client, filternamestarts_with="an", sort="-name", pagesize=1)
assert [user.id for user in page.data] == [created.id]
assert page.links.next_ is None

role = UsersChangeDataAttributes(role="admin")
change = UsersChange(UsersChangeData("users", created.id, role))
changed = change_users.sync(created.id, client=client, body=change, if_match=read.headers["ETag"])
assert (changed.data.attributes.role, changed.data.attributes.name) == ("admin", "Ann")

(error,) = create_users.sync(client=client, body=sent).errors
assert (error.status, error.code) == ("409", "email_taken")
assert error.source.pointer == "/data/attributes/email"

assert delete_users.sync_detailed(created.id, client=client).status_code == 204
(error,) = show_users.sync(created.id, client=client).errors
assert error.code == "user_not_found"
sys.stdout.write("all done\n")
