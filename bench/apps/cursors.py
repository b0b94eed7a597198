"""The floor's cursors: the id, as opaque text."""

from base64 import urlsafe_b64decode, urlsafe_b64encode


def cursor_of(user_id: int) -> str:
    return urlsafe_b64encode(b"%d" % user_id).decode().rstrip("=")


def id_of(cursor: str) -> int:
    return int(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
