"""The domain and the application run without frameworks."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

ALONE = """
import sys

class Uninstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {
            "flask", "werkzeug", "sqlalchemy", "psycopg2", "marshmallow", "granian",
            "marshmallow_jsonapi", "dependency_injector", "click", "structlog", "orjson",
        }:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Uninstalled())

from datetime import UTC, datetime
from adapters.memory.repository import MemoryReader
from adapters.memory.store import MemoryStore
from application.commands import Commands
from application.ports import Context
from application.search import Search
from application.units import retrying
from application.users import USER_TYPE
from domain.users import NewUser, UserChanges

store = MemoryStore(lambda: datetime(2026, 11, 22, tzinfo=UTC))
commands = Commands(USER_TYPE, retrying(store.begin))
reader = MemoryReader(USER_TYPE, store)
ann = commands.create(NewUser(email="ann@example.org", name="Ann"), Context())
commands.change(ann.id, UserChanges({"name": "Anne"}), Context())
print([user.name for user in reader.page(Search()).items])
commands.delete(ann.id, Context())
print(len(reader.page(Search()).items))
"""


def test_the_use_cases_run_without_flask_and_sqlalchemy() -> None:
    result = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.stderr, result.stdout.split("\n")) == ("", ["['Anne']", "0", ""])


# HTTP headers as documentation writes them, such as Retry-After and X-Request-ID.
HEADER = re.compile(r"\b(?:[A-Z][A-Za-z]*(?:-[A-Z][A-Za-z]+)+|ETag|Authorization|Bearer)\b")


def test_the_core_does_not_mention_http_headers() -> None:
    assert HEADER.findall("If-Match, X-Request-ID, an ETag") == ["If-Match", "X-Request-ID", "ETag"]
    named = {
        f"{file.relative_to(ROOT)}: {name}"
        for folder in ("domain", "application")
        for file in sorted((ROOT / folder).rglob("*.py"))
        for name in HEADER.findall(file.read_text())
    }
    assert named == set()
