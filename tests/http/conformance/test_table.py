"""The table of conformance is complete and verbatim, and docs/conformance.md shows it."""

import re
from dataclasses import replace

import pytest
from conformance.specification import HERE, KEY_WORDS, SPECIFICATIONS, sentences
from conformance.table import CLASSES, PAGE, Entry, entries, files_of_tests, page, report

TABLE = entries()


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_the_table_has_exactly_the_sentences_of_the_text(specification: str) -> None:
    listed = [entry.sentence for entry in TABLE if entry.sentence.specification == specification]
    assert listed == sentences(specification)


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_no_key_word_of_the_text_is_outside_a_sentence(specification: str) -> None:
    text = (HERE / "spec" / f"{specification}.md").read_text("utf-8")
    in_sentences = [
        word for each in sentences(specification) for word in KEY_WORDS.findall(each.text)
    ]
    assert in_sentences == [" ".join(word.split()) for word in KEY_WORDS.findall(text)]
    flat = re.sub(r"\s+(?:> )?", " ", text)
    assert all(
        each.text in re.sub(r"<a [^>]*></a> *", "", flat) for each in sentences(specification)
    )


def test_the_level_of_a_sentence_is_that_of_its_key_words() -> None:
    for entry in TABLE:
        assert entry.levels == entry.sentence.levels, entry.sentence.number


def test_the_table_uses_every_class_of_sentences() -> None:
    assert {entry.binds for entry in TABLE} == set(CLASSES)


def test_every_sentence_for_servers_names_existing_tests() -> None:
    for entry in TABLE:
        assert entry.tests or not entry.must_be_held, entry.sentence.number
        assert set(entry.tests) <= files_of_tests().keys(), entry.sentence.number


def test_every_definition_and_unsupported_feature_has_a_reason() -> None:
    for entry in TABLE:
        assert entry.why or entry.binds not in ("definition", "not offered"), entry.sentence.number


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text("utf-8") == page(TABLE), "make conformance writes it"


@pytest.mark.parametrize(
    ("tests", "outcomes", "why"),
    [
        ((), {}, "it has no test"),
        (("test_a",), {}, "test_a: not run on SQLite"),
        (("test_a",), {"test_a": {"SQLite": "failed"}}, "test_a: failed on SQLite"),
        (("test_a",), {"test_a": {"SQLite": "skipped"}}, "test_a: skipped on SQLite"),
        (("test_a", "test_b"), {"test_a": {"SQLite": "passed"}}, "test_b: not run on SQLite"),
        (("test_a",), {"test_a": {"SQLite": "passed"}}, None),
    ],
)
def test_a_sentence_for_servers_requires_passing_tests(
    tests: tuple[str, ...], outcomes: dict[str, dict[str, str]], why: str | None
) -> None:
    found = next(entry for entry in TABLE if entry.must_be_held)
    entry = replace(found, tests=tests)
    assert entry.lacking(outcomes, ["SQLite"]) == ([why] if why else [])
    lines = list(report([entry], outcomes, ["SQLite"]))
    assert any(line.startswith("NOT VERIFIED") for line in lines) is (why is not None)
    assert lines[-1] == f"{int(why is None)} of 1 sentences for servers are verified on SQLite"


def test_a_sentence_for_others_requires_no_test() -> None:
    for entry in TABLE:
        if entry.binds != "server":
            without: Entry = replace(entry, tests=())
            assert without.lacking({}, ["SQLite"]) == []
