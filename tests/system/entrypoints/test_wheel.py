"""The wheel contains everything that accounts need."""

import subprocess
import sys
import sysconfig
from pathlib import Path

from domain.accounts import Template

SCRIPT = """
import sys
sys.path[:0] = {paths!r}
import entrypoints
from application.ports import Context
from domain.users import NewUser
from entrypoints.container import Container
from entrypoints.mail import make_delivery
from entrypoints.settings import Settings

assert entrypoints.__file__.startswith({paths[0]!r})
settings = Settings.of({{
    "ROSTER_ACCOUNTS": "on", "ROSTER_DATABASE_URL": "memory://", "ROSTER_MAIL_FOLDER": "mail",
}})
container = Container(settings=settings)
client, accounts = container.app().test_client(), container.accounts()
new = NewUser(email="ann@example.org", name="Ann", is_active=True)
container.services()["users"].commands(container.run()).create(new, Context())
attributes = {{"email": "ann@example.org"}}
document = {{"data": {{"type": "recoveries", "attributes": attributes}}}}
assert client.post("/api/v1/recoveries", json=document).status_code == 202
run, counts = container.run(), accounts.emails
assert make_delivery(settings, accounts.config, run, counts, None).send_next()
page = client.get("/account")
assert page.status_code == 200 and b"New password" in page.data
"""


def test_the_wheel_contains_the_templates_of_all_emails(installed: Path) -> None:
    templates = installed / "adapters" / "mail" / "templates"
    expected = {f"{name}.{kind}" for name in Template for kind in ("txt", "html")}
    assert {file.name for file in templates.iterdir()} == expected


def test_a_service_from_the_wheel_sends_an_email_and_shows_the_page_of_its_link(
    installed: Path,
) -> None:
    script = SCRIPT.format(paths=[str(installed), sysconfig.get_path("purelib")])
    result = subprocess.run(
        [sys.executable, "-P", "-S", "-c", script],
        cwd=installed.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    (email,) = (installed.parent / "mail").glob("*.eml")
    assert "http://127.0.0.1:5000/account#token=" in email.read_text()
