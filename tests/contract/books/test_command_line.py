"""A resource with every kind of attribute on the command line, on every database."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

FULL = (
    *("--title", "Emma", "--isbn", "a-1", "--summary", "Of\nHighbury.", "--lent"),
    *("--pages", "474", "--sold", str(2**53 + 1), "--price", "12.50"),
    *("--published", "1815-12-23", "--due", "2026-11-22T09:30:00.123Z"),
    *("--contact", "jane@example.org", "--website", "https://example.org/"),
    *("--edition", "123e4567-e89b-12d3-a456-426614174000", "--state", "used"),
    *("--extra", '{"binding": ["cloth", 1]}', "--pin", "secret-pin"),
)


def resource_of(result: Any) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["data"]["attributes"]


def test_books_are_created_found_changed_and_deleted(roster: Any) -> None:
    created = resource_of(roster("books", "create", *FULL, "--json"))
    assert created | {"pages": 474, "price": "12.50", "lent": True} == created
    assert created["extra"] == {"binding": ["cloth", 1]}
    assert "pin" not in created
    found = resource_of(roster("books", "show", "a-1", "--json"))
    assert found == created
    changed = resource_of(
        roster("books", "update", "a-1", "--no-price", "--no-lent", "--no-extra", "--json")
    )
    assert (changed["price"], changed["lent"], changed["extra"]) == (None, False, None)
    table = roster("books", "list", "--filter", "title=EMMA", "--fields", "title,price")
    assert table.stdout.splitlines()[1].split()[1:] == ["Emma"]
    history = roster("books", "history", "a-1", "--json")
    assert [e["attributes"]["action"] for e in json.loads(history.stdout)["data"]] == [
        "created",
        "changed",
    ]
    assert roster("books", "delete", "a-1").exit_code == 0
    missing = roster("books", "show", "a-1")
    assert missing.exit_code == 1
    assert missing.stderr == "Error: book_not_found: There is no book a-1.\n"


def test_invalid_options_are_reported_as_over_http(roster: Any) -> None:
    result = roster("books", "create", "--pages", "many", "--isbn", "A B")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: missing: title is required.\n"
        "Error: invalid_format: isbn must start with a letter a-z, followed by a-z, 0-9, _ or -.\n"
        "Error: wrong_type: pages must be a whole number.\n"
    )


def test_an_export_can_be_imported(roster: Any, tmp_path: Path) -> None:
    for more in (FULL, ("--title", "Null")):
        assert roster("books", "create", *more).exit_code == 0
    for form in ("csv", "jsonl"):
        file = tmp_path / f"books.{form}"
        assert roster("books", "export", str(file)).exit_code == 0
        before = json.loads(roster("books", "list", "--all", "--json").stdout)["data"]
        text = file.read_text(encoding="utf-8")
        assert "secret-pin" not in text
        if form == "csv":
            rows = list(csv.DictReader(io.StringIO(text)))
            assert [row["price"] for row in rows] == ["12.50", ""]
        for book in before:
            assert roster("books", "delete", book["id"]).exit_code == 0
        result = roster("books", "import", str(file))
        assert (result.exit_code, result.stdout) == (
            0,
            "2 created, 0 changed, 0 unchanged, 0 bad\n",
        ), result.stderr
        after = json.loads(roster("books", "list", "--all", "--json").stdout)["data"]
        assert [_content(book) for book in after] == [_content(book) for book in before]


def _content(book: Any) -> dict[str, Any]:
    times = ("creation_time", "update_time")
    return {name: value for name, value in book["attributes"].items() if name not in times}


def test_an_import_updates_by_the_unique_attribute(roster: Any, tmp_path: Path) -> None:
    assert roster("books", "create", *FULL).exit_code == 0
    file = tmp_path / "books.csv"
    file.write_text("isbn,title,pages\na-1,Emma,480\na-2,Persuasion,\na-1,Emma,481\n")
    rejected = roster("books", "import", str(file))
    assert rejected.exit_code == 1
    assert "line 2: isbn: isbn_taken" in rejected.stderr
    result = roster("books", "import", str(file), "--update")
    assert result.stdout == "1 created, 2 changed, 0 unchanged, 0 bad\n"
    books = json.loads(roster("books", "list", "--json").stdout)["data"]
    assert [(b["attributes"]["isbn"], b["attributes"]["pages"]) for b in books] == [
        ("a-1", 481),
        ("a-2", None),
    ]


def test_an_update_creates_records_without_the_unique_attribute(
    roster: Any, tmp_path: Path
) -> None:
    file = tmp_path / "books.jsonl"
    file.write_text('{"title": "Emma"}\n{"title": "Emma", "isbn": null}\n{"title": "Emma"}\n')
    result = roster("books", "import", str(file), "--update")
    assert result.stdout == "3 created, 0 changed, 0 unchanged, 0 bad\n"


def test_books_are_counted_by_attributes_of_each_kind(roster: Any) -> None:
    for more in (FULL, ("--title", "Emma"), ("--title", "emma", "--pages", "7", "--price", "2.5")):
        assert roster("books", "create", *more).exit_code == 0
    expected = {
        "title": [("Emma", 2), ("emma", 1)],
        "isbn": [(None, 2), ("a-1", 1)],
        "lent": [(False, 2), (True, 1)],
        "pages": [(None, 1), (7, 1), (474, 1)],
        "sold": [(0, 2), (2**53 + 1, 1)],
        "price": [(None, 1), ("2.50", 1), ("12.50", 1)],
        "published": [(None, 2), ("1815-12-23", 1)],
        "due": [(None, 2), ("2026-11-22T09:30:00.123Z", 1)],
        "contact": [(None, 2), ("jane@example.org", 1)],
        "website": [(None, 2), ("https://example.org/", 1)],
        "edition": [(None, 2), ("123e4567-e89b-12d3-a456-426614174000", 1)],
        "state": [("new", 2), ("used", 1)],
    }
    for attribute, groups in expected.items():
        meta = json.loads(roster("books", "count", "--by", attribute, "--json").stdout)["meta"]
        assert [(each["value"], each["count"]) for each in meta["groups"]] == groups, attribute
    table = roster("books", "count", "--by", "price", "--filter", "pages[lt]=400").stdout
    assert [line.split() for line in table.splitlines()] == [["price", "count"], ["2.50", "1"]]
    nulls = roster("books", "count", "--by", "isbn", "--limit", "1")
    assert [line.split() for line in nulls.stdout.splitlines()][1:] == [["null", "2"]]
    assert "Showing the first value of isbn." in nulls.stderr
    for attribute in ("pin", "extra", "summary", "shoe"):
        rejected = roster("books", "count", "--by", attribute)
        assert (rejected.exit_code, rejected.stdout) == (2, "")
        assert f"unknown_attribute: Unknown attribute '{attribute}' in --by." in rejected.stderr


def test_books_are_changed_and_deleted_by_filters(roster: Any) -> None:
    for more in (FULL, ("--title", "Emma", "--price", "2.5"), ("--title", "Null")):
        assert roster("books", "create", *more).exit_code == 0
    changed = roster(
        *("books", "update", "--filter", "price[lt]=12.51", "--filter", "title=EMMA"),
        *("--no-price", "--state", "used", "--extra", "[1]", "--pin", "p-2", "--yes"),
    )
    assert (changed.exit_code, changed.stdout) == (0, "2 changed, 0 unchanged\n")
    assert changed.stderr == "This sets price, state, extra, pin of 2 books.\n"
    books = json.loads(roster("books", "list", "--json").stdout)["data"]
    assert [
        (b["attributes"]["price"], b["attributes"]["state"], b["attributes"]["extra"])
        for b in books
    ] == [(None, "used", [1]), (None, "used", [1]), (None, "new", None)]
    taken = roster("books", "update", "--filter", "state=used", "--isbn", "b-1", "--yes")
    assert taken.exit_code == 1
    assert taken.stderr.endswith("Error: isbn_taken: Another book has this isbn.\n")
    several = roster("books", "update", "a-1", books[2]["id"], "--lent", "--json")
    assert [b["attributes"]["lent"] for b in json.loads(several.stdout)["data"]] == [True, True]
    erased = roster("books", "delete", "--filter", "isbn=a-1", "--erase", "--yes")
    assert (erased.exit_code, erased.stdout) == (0, "Erased 1 book.\n")
    deleted = roster("books", "delete", "--filter", "lent=false", "--yes")
    assert (deleted.exit_code, deleted.stdout) == (0, "Deleted 1 book.\n")
    titles = roster("books", "list", "--columns", "title,id").stdout
    assert [line.split() for line in titles.splitlines()] == [
        ["title", "id"],
        ["Null", books[2]["id"]],
    ]
    assert roster("books", "delete", books[2]["id"], "nothing").exit_code == 1
    assert roster("books", "count").stdout == "1\n"


def test_an_erasure_includes_the_event_of_the_deletion(roster: Any) -> None:
    """Books have personal values, but no attribute that identifies a person."""
    created = roster(
        *("books", "create", "--title", "Emma", "--isbn", "a-1"),
        *("--contact", "jane@example.org", "--json"),
    )
    book_id = json.loads(created.stdout)["data"]["id"]
    assert roster("books", "delete", "a-1", "--erase", "--yes").exit_code == 0
    history = roster("books", "history", book_id, "--wide").stdout
    assert all(action in history for action in ("created", "deleted", "erased"))
    assert "jane" not in history


def test_a_history_shows_values_as_json(roster: Any) -> None:
    assert (
        roster("books", "create", "--title", "Emma", "--isbn", "a-1", "--extra", "1.50").exit_code
        == 0
    )
    for value in ('{"binding":["cloth",null,true],"é":1}', "[]", "false", '"a text"'):
        assert roster("books", "update", "a-1", "--extra", value).exit_code == 0
    history = roster("books", "history", "a-1", "--columns", "changes", "--wide").stdout
    assert [line.strip() for line in history.splitlines()][2:] == [
        'extra 1.5 → {"binding":["cloth",null,true],"é":1}',
        'extra {"binding":["cloth",null,true],"é":1} → []',
        "extra [] → false",
        "extra false → a text",
    ]


def test_pairs_refer_by_id_to_entities_without_unique_text(roster: Any, tmp_path: Path) -> None:
    isbn = "123e4567-e89b-12d3-a456-426614174000"
    assert roster("sources", "create", "--isbn", isbn).exit_code == 0
    note = json.loads(roster("notes", "create", "--body", "See.", "--json").stdout)["data"]["id"]
    source = json.loads(roster("sources", "list", "--json").stdout)["data"][0]["id"]
    assert roster("notes", "add-sources", note, source).exit_code == 0
    file = tmp_path / "citations.csv"
    assert roster("citations", "export", str(file)).exit_code == 0
    assert file.read_text() == f"note,news source\n{note},{source}\n"
    assert roster("notes", "remove-sources", note, source).exit_code == 0
    file.write_text(f"note,news source\n{note},{source}\n")
    result = roster("citations", "import", str(file))
    assert (result.stderr, result.stdout) == ("", "1 created, 0 changed, 0 unchanged, 0 bad\n")
    file.write_text(f"note,news source\n999999,{source}\n")
    assert (
        "note: note_not_found: there is no note with this id"
        in roster("citations", "import", str(file)).stderr
    )


def test_pairs_of_one_type_have_a_column_for_each_relationship(roster: Any, tmp_path: Path) -> None:
    question, answer = (
        json.loads(roster("notes", "create", "--body", body, "--json").stdout)["data"]["id"]
        for body in ("Why?", "So.")
    )
    for form, content in (
        ("csv", f"questions,answers\n{question},{answer}\n"),
        ("jsonl", f'{{"questions":"{question}","answers":"{answer}"}}\n'),
    ):
        assert roster("notes", "add-answers", question, answer).exit_code == 0
        file = tmp_path / f"replies.{form}"
        assert roster("replies", "export", str(file)).exit_code == 0
        assert file.read_text() == content
        assert roster("notes", "remove-answers", question, answer).exit_code == 0
        result = roster("replies", "import", str(file))
        assert (result.stderr, result.stdout) == ("", "1 created, 0 changed, 0 unchanged, 0 bad\n")
        removed = roster("notes", "remove-answers", question, answer)
        assert removed.stdout == "1 removed, 0 unchanged\n"
    file.write_text(f'{{"questions":"{question}"}}\n{{"questions":"x","answers":"{answer}"}}\n')
    rejected = roster("replies", "import", str(file))
    assert [line.split(": ")[:3] for line in rejected.stderr.splitlines()[:2]] == [
        ["line 1", "answers", "missing"],
        ["line 2", "questions", "note_not_found"],
    ]


def test_an_exported_reference_is_the_same_after_an_import(roster: Any, tmp_path: Path) -> None:
    file, again = tmp_path / "notes.csv", tmp_path / "imported.csv"
    for options in (("--isbn", "a-1"), ()):
        book = json.loads(roster("books", "create", "--title", "Emma", *options, "--json").stdout)
        book_id = book["data"]["id"]
        assert roster("notes", "create", "--body", "See.", "--book", book_id).exit_code == 0

    def exported(to: Path) -> list[str]:
        assert roster("notes", "export", str(to), "--fields", "body,book").exit_code == 0
        return [each["book"] for each in csv.DictReader(io.StringIO(to.read_text()))]

    assert exported(file) == ["a-1", book_id]
    assert roster("notes", "import", str(file)).exit_code == 0
    assert exported(again) == ["a-1", book_id] * 2


def test_a_file_cannot_name_an_entity_by_a_key_that_is_not_text(
    roster: Any, tmp_path: Path
) -> None:
    isbn = "123e4567-e89b-12d3-a456-426614174000"
    assert roster("sources", "create", "--isbn", isbn).exit_code == 0
    for text in (isbn, "nothing"):
        missing = roster("sources", "show", text)
        assert missing.stderr == f"Error: source_not_found: There is no news source {text}.\n"
        file = tmp_path / "notes.csv"
        file.write_text(f"body,source\nSee.,{text}\n")
        rejected = roster("notes", "import", str(file))
        assert rejected.stderr.splitlines()[0] == (
            "line 2: source: related_not_found: there is no news source with this id"
        )


def test_a_resource_needs_no_sortable_attribute(roster: Any) -> None:
    for command in ("count", "update"):
        help_text = roster("notes", command, "--help")
        assert (help_text.exit_code, help_text.stderr) == (0, "")
    assert "--by id" in roster("notes", "count", "--help").stdout


def test_the_help_lists_the_commands_of_every_resource(roster: Any) -> None:
    text = roster("--help").stdout
    assert "users" in text
    assert "books" in text
    assert "--no-price" in roster("books", "create", "--help").stdout
