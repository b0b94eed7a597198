"""Emails: their templates, headers, links and files."""

import email
import os
import stat
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from adapters.mail.folder import BadFolder, FolderMailer
from adapters.mail.links import account_links, application_links
from adapters.mail.message import parse_sender
from adapters.mail.templates import BadTemplate, MailTemplates
from application.ports import MailFailed, OutgoingEmail
from domain.accounts import Purpose, Template

from .conftest import ANN, TOKEN, compose, outgoing

LINK_TEMPLATES = [each for each in Template if each.purpose]
NOTICES = [each for each in Template if not each.purpose]
_OTHER_USER = 65534


def parsed(outgoing_email: OutgoingEmail, folder: Path | None = None) -> EmailMessage:
    """The message as a mail client reads it."""
    content = bytes(compose(folder).compose(outgoing_email))
    message = email.message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def parts(message: EmailMessage) -> tuple[str, str]:
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


@pytest.mark.parametrize("template", LINK_TEMPLATES)
def test_emails_contain_their_link(template: Template) -> None:
    text, html = parts(parsed(outgoing(template)))
    link = f"https://users.example.com/account#token={TOKEN}&for={template}"
    assert link in text
    assert f'href="{link.replace("&", "&amp;")}"' in html


@pytest.mark.parametrize("template", NOTICES)
def test_notices_contain_no_token(template: Template) -> None:
    text, html = parts(parsed(outgoing(template)))
    assert "token" not in text + html
    assert "Ann" in text


def test_an_email_has_the_headers_and_parts_of_automatic_email() -> None:
    message = parsed(outgoing())
    assert message["auto-submitted"] == "auto-generated"
    assert message["message-id"] == "<20261122.abc@example.com>"
    assert message["date"].datetime.utcoffset() is not None
    assert message["subject"] == "Choose a new password"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\u2028", "\x0b", "\x85"])
def test_values_cannot_add_headers(tmp_path: Path, line_end: str) -> None:
    (tmp_path / "recovery.txt").write_text("For {{ user.name }}\n{{ link }}")
    name = f"Ann{line_end}Bcc: eve@example.org"
    message = parsed(outgoing(user=ANN._replace(name=name)), tmp_path)
    assert "bcc" not in message
    assert message["subject"].startswith("For Ann")
    with pytest.raises(MailFailed):
        parsed(outgoing(address=f"ann@example.org{line_end}Bcc: eve@example.org"))


@pytest.mark.parametrize(
    "hidden",
    [
        "x=0d=0aBcc=3a_eve=40example.org",
        "x=0d=0a=0d=0aAnother_text",
        "eve=40example.org=2c_x",
        "=22x=22",
    ],
)
def test_encoded_words_are_not_decoded(tmp_path: Path, hidden: str) -> None:
    """The local part of an address, and a name, may look like an encoded word (RFC 2047)."""
    (tmp_path / "recovery.txt").write_text("For {{ user.name }}\n{{ link }}")
    word = f"=?utf-8?q?{hidden}?="
    address = f"{word}@example.org"
    sent = outgoing(user=ANN._replace(name=f"Ann {word}"), address=address)
    content = bytes(compose(tmp_path).compose(sent))
    assert f"\r\nTo: {address}\r\n".encode() in content
    message = email.message_from_bytes(content, policy=policy.default)
    assert message["subject"] == f"For Ann {word}"
    assert message.keys() == parsed(outgoing()).keys()


def test_values_are_escaped_in_html_only() -> None:
    text, html = parts(parsed(outgoing(user=ANN._replace(name="<b>Ánn & Co</b>"))))
    assert "Hello <b>Ánn & Co</b>," in text
    assert "Hello &lt;b&gt;Ánn &amp; Co&lt;/b&gt;," in html


def test_long_lines_are_encoded(tmp_path: Path) -> None:
    (tmp_path / "recovery.txt").write_text("Hello\n" + "x" * 5000 + "\n.\n{{ link }}")
    raw = bytes(compose(tmp_path).compose(outgoing()))
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert "x" * 5000 in parts(parsed(outgoing(), tmp_path))[0]


@pytest.mark.parametrize(("length", "encoding"), [(998, "7bit"), (999, "quoted-printable")])
def test_only_lines_of_more_than_998_bytes_are_encoded(
    tmp_path: Path, length: int, encoding: str
) -> None:
    (tmp_path / "recovery.txt").write_text(f"Hello\n{'x' * length}\n{{{{ link }}}}")
    (text, *_) = parsed(outgoing(), tmp_path).iter_parts()
    assert text["Content-Transfer-Encoding"] == encoding


@pytest.mark.parametrize(("length", "is_encoded"), [(69, False), (70, True)])
def test_only_subjects_that_are_too_long_for_one_line_are_encoded(
    tmp_path: Path, length: int, *, is_encoded: bool
) -> None:
    """A line has at most 78 characters with "Subject: " (RFC 5322, section 2.1.1)."""
    subject = "x" * length
    (tmp_path / "recovery.txt").write_text(f"{subject}\n{{{{ link }}}}")
    raw = bytes(compose(tmp_path).compose(outgoing()))
    assert (f"\r\nSubject: {subject}\r\n".encode() not in raw) == is_encoded
    assert parsed(outgoing(), tmp_path)["subject"] == subject


def test_files_replace_templates_of_the_same_name(tmp_path: Path) -> None:
    (tmp_path / "recovery.txt").write_text("Hi {{ user.email }}\n{% include 'end.txt' %}\n")
    (tmp_path / "end.txt").write_text("Go to {{ link }}")
    message = parsed(outgoing(), tmp_path)
    text, html = parts(message)
    assert message["subject"] == "Hi ann@example.org"
    assert text.startswith("Go to https://")
    assert "Hello Ann" in html


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("recovery.txt", "Hi\n\n{{ lnk }}", "recovery.txt, line 3: lnk is unknown"),
        ("signup.txt", "Hi\n{{ user.name }}", "signup.txt, line 2: user is unknown"),
        ("taken.html", "<p>\n{{ user.nick }}", "taken.html, line 2: user.nick is unknown"),
        ("taken.txt", "Hi\n{% if user.role == 'x' %}{{ y }}{% endif %}", "line 2: y is unknown"),
        ("email.txt", "Hi\n{% if link %}", "email.txt, line 2: "),
        ("email.txt", "Hi\n{{ link | shout }}", "email.txt, line 2: "),
        ("email.txt", "Hi\n{{ link.nothing }}", "email.txt, line 2: "),
        ("email.txt", "Hi\n{{ 1 // 0 }}", "email.txt, line 2: "),
        ("email.txt", "Hi\n{{ link.__class__.__mro__ }}", "email.txt, line 2: "),
        ("email.txt", "Hi\n{% include 'no.txt' %}", "email.txt, line 2: there is no template"),
        ("email.txt", "{# the subject #}\nHi", "email.txt, line 1: the subject is empty"),
        ("email.txt", b"Hi \xff", "email.txt: is not valid UTF-8"),
    ],
)
def test_invalid_templates_are_rejected_with_their_line(
    tmp_path: Path, name: str, source: str | bytes, expected: str
) -> None:
    content = source.encode() if isinstance(source, str) else source
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadTemplate) as caught:
        MailTemplates(tmp_path)
    assert expected in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_template_folder_must_exist(tmp_path: Path) -> None:
    with pytest.raises(BadTemplate):
        MailTemplates(tmp_path / "missing")


@pytest.fixture
def folder_without_access() -> Iterator[Path]:
    """A folder whose files this process cannot access, even if it runs as root."""
    root = os.geteuid() == 0
    with TemporaryDirectory() as name:  # not in tmp_path, which other users cannot enter
        folder = Path(name)
        (folder / "recovery.txt").write_text("Hi\n{{ link }}")
        folder.chmod(0o444)
        if root:
            os.seteuid(_OTHER_USER)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o700)


def test_a_template_folder_must_be_accessible(folder_without_access: Path) -> None:
    for each in (folder_without_access, folder_without_access / "inner"):
        with pytest.raises(BadTemplate, match=f"^{each}.*: Permission denied$"):
            MailTemplates(each)


def test_a_template_that_fails_later_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "recovery.txt").write_text("Hi\n{{ link }} {{ 1 // (user.name | length) }}")
    with pytest.raises(MailFailed) as caught:
        parsed(outgoing(user=ANN._replace(name="")), tmp_path)
    assert caught.value.is_certain
    assert TOKEN not in str(caught.value)


MAX_SENDER_LENGTH = f"{'x' * 64}@{'a' * 63}.{'b' * 60}.{'c' * 60}"


def test_the_longest_sender_is_accepted() -> None:
    sender = parse_sender(f"Roster <{MAX_SENDER_LENGTH}>")
    assert (sender.display_name, len(sender.addr_spec)) == ("Roster", 250)


@pytest.mark.parametrize(
    "sender",
    ["", "Roster", "a@example.org, b@example.org", "a@b.c\nBcc: d", f"{MAX_SENDER_LENGTH}c"],
)
def test_invalid_senders_are_rejected(sender: str) -> None:
    with pytest.raises(ValueError):
        parse_sender(sender)


def test_links_to_an_application() -> None:
    links = application_links("https://app.example.org/{purpose}?x=1#{token}")
    assert links(Purpose.EMAIL, "rlt_a") == "https://app.example.org/email?x=1#rlt_a"
    assert links(Purpose.RECOVERY, None) == "https://app.example.org/recovery?x=1#"


@pytest.mark.parametrize(
    "url",
    [
        "https://app.example.org/",
        "https://app.example.org/{token}{token}",
        "https://app.example.org/{token}/{user}",
        "javascript:alert('{token}')",
        "https://{token}.example.org/",
        "https:///{token}",
        "/welcome#{token}",
        "https://app.example.org/a b#{token}",
    ],
)
def test_invalid_link_urls_are_rejected(url: str) -> None:
    with pytest.raises(ValueError):
        application_links(url)


def test_a_public_url_may_have_a_path() -> None:
    links = account_links("https://example.org/users/")
    assert links(Purpose.RECOVERY, None) == "https://example.org/users/account"


def test_emails_are_written_to_a_folder_of_their_owner(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        mailer = FolderMailer(compose(), tmp_path / "mail")
        for address in ("ann@example.org", "jörg@example.org"):
            mailer.send(outgoing(address=address, user=ANN._replace(name="Jörg")))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "mail").stat().st_mode) == 0o700
    first, second = sorted((tmp_path / "mail").iterdir())
    for file in (first, second):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.suffix == ".eml"
        assert f"account#token={TOKEN}&for=recovery" in file.read_text()
        assert "Hello Jörg" in file.read_text()
    assert "To: jörg@example.org" in second.read_text()


@pytest.mark.parametrize("mode", [0o755, 0o710, 0o701])
def test_a_folder_with_more_permissions_is_rejected(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "mail"
    folder.mkdir()
    folder.chmod(mode)
    with pytest.raises(BadFolder, match="accessible to other users"):
        FolderMailer(compose(), folder)


def test_permissions_are_checked_before_each_email(tmp_path: Path) -> None:
    mailer = FolderMailer(compose(), tmp_path / "mail")
    (tmp_path / "mail").chmod(0o755)
    with pytest.raises(MailFailed):
        mailer.send(outgoing())
    (tmp_path / "mail").rmdir()
    mailer.send(outgoing())
    assert len(list((tmp_path / "mail").iterdir())) == 1


def test_a_file_is_rejected_as_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mail").touch(0o600)
    with pytest.raises(BadFolder, match="is not a folder"):
        FolderMailer(compose(), tmp_path / "mail")
