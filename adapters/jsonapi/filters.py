"""Parses `filter[…]` parameters into tests.

A parameter names an attribute or a relationship, and an operator. `filter[not]` before it negates
the test, and `filter[or][ALT]` or `filter[or][SET.ALT]` puts it into an alternative.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from adapters.jsonapi.catalog import Catalog
from adapters.jsonapi.kinds import EQUALITY, TEXT_SEARCH
from adapters.jsonapi.query_errors import QueryErrors
from adapters.jsonapi.resource import Attribute, Resource
from adapters.jsonapi.suggestions import SEARCH, suggest_operator
from adapters.jsonapi.unknown_names import did_you_mean, quote
from application.relationships import Relationship, ToMany
from application.search import AnyOf, Condition, IsNull, Not, Op, Related, Test, WordSearch
from domain.english import counted
from domain.errors import Problem
from domain.text import MAX_FOLDED_INPUT

MAX_FILTERS: Final = 20
MAX_FILTER_VALUES: Final = 500
MAX_ALTERNATIVES: Final = 8
MAX_WORDS: Final = 8
"""The maximum number of words in a search."""
MAX_VALUE_LENGTH: Final = MAX_FOLDED_INPUT
"""The maximum length of a filter value. It is checked before the value is folded or matched,
because the time of that work grows faster than the length."""
SEARCH_PARAMETER: Final = f"filter[{SEARCH}]"
NULL: Final = "null"
"""The operator that tests whether a nullable attribute is null."""
EMPTY: Final = "empty"
"""The operator that tests whether a relationship has no related resource."""

_FILTER: Final = re.compile(r"filter((?:\[[^][]*\]){1,5})")
_PART: Final = re.compile(r"\[([^][]*)\]")
_ALTERNATIVE: Final = re.compile(r"(?:([a-z0-9]{1,8})\.)?([a-z0-9]{1,8})")
_OPS: Final = {op.value: op for op in Op}
_MAX_SHOWN: Final = 3
"""The number of invalid values of one filter that an error describes."""
_TOO_LONG: Final = f"A filter value has at most {MAX_VALUE_LENGTH} characters."
_RELATIONSHIP_OPS: Final = (Op.EQ.value, Op.NE.value, Op.IN.value, EMPTY)
_FLAGS: Final = {"true": True, "false": False}

Pairs = tuple[tuple[str, str], ...]
Names = Mapping[str, list[str]]
"""The parts in brackets of each filter, by the name of the parameter."""


def operators_of(attribute: Attribute) -> tuple[str, ...]:
    """Returns the operators of filters by an attribute."""
    null = (NULL,) if attribute.field.allow_none else ()
    return (*attribute.operators, *null)


def filter_operators(resource: Resource, catalog: Catalog) -> dict[str, tuple[str, ...]]:
    """Returns the operators for each attribute and relationship that a list can be filtered by."""
    attributes = {name: operators_of(each) for name, each in resource.filterable.items()}
    return attributes | dict.fromkeys(catalog.relationships_of(resource), _RELATIONSHIP_OPS)


_PREFIXES: Final = frozenset(("or", "not"))


def filter_names(names: Mapping[str, object], resource: Resource) -> dict[str, list[str]]:
    """Returns the parameters that are filters, with the parts in their brackets."""
    parts_by_name = {
        name: _PART.findall(match[1]) for name in names if (match := _FILTER.fullmatch(name))
    }
    # A parameter with further parts is not a filter, and is reported as unknown.
    parts_by_name = {
        name: parts
        for name, parts in parts_by_name.items()
        if len(parts) <= 2 or parts[0] in _PREFIXES
    }
    if not resource.searched:  # the parameter is then reported as unknown
        parts_by_name.pop(SEARCH_PARAMETER, None)
    return parts_by_name


@dataclass(frozen=True, slots=True)
class _Subject:
    """The subject of a filter: an attribute, a relationship, or an attribute of related resources.

    If the filter names only a relationship, `attribute` is the id of the related resources.
    """

    attribute: Attribute
    relationship: Relationship | None = None
    is_linkage: bool = False

    @property
    def operators(self) -> tuple[str, ...]:
        return _RELATIONSHIP_OPS if self.is_linkage else operators_of(self.attribute)

    def allows(self, op: Op) -> bool:
        return op.value in _RELATIONSHIP_OPS if self.is_linkage else self.attribute.field.allows(op)

    def about_related(self, test: Test) -> Test:
        """Returns the test of the searched resource that follows from a test of the attribute."""
        relationship = self.relationship
        if relationship is None:
            return test
        if not isinstance(relationship, ToMany) and self.is_linkage:
            assert isinstance(test, Condition)
            return Condition(relationship.name, test.op, test.values)
        if isinstance(test, Condition) and test.op is Op.NE:
            # It holds if `eq` does not: no related resource has the value.
            equal = Condition(test.attribute, Op.EQ, test.values, test.folded)
            return Not(Related(relationship.name, (equal,)))
        return Related(relationship.name, (test,))

    def is_empty(self) -> Test:
        """Returns the test for the absence of related resources."""
        assert self.relationship is not None
        if isinstance(self.relationship, ToMany):
            return Not(Related(self.relationship.name))
        return IsNull(self.relationship.name)


@dataclass(frozen=True, slots=True)
class _Values:
    """A known operator, and the texts of its values.

    With `is_list`, there is one text, in which commas separate the values.
    """

    op: Op
    texts: list[str]
    is_list: bool = False

    @property
    def count(self) -> int:
        """The number of values. They are not split yet, because there may be very many."""
        return 1 + self.texts[0].count(",") if self.is_list else len(self.texts)


def _negated(test: Test) -> Test:
    """Returns the exact complement of a test."""
    return test.test if isinstance(test, Not) else Not(test)


class FilterParser:
    """Parses the filters of one query. Adds an error for each filter that is invalid."""

    def __init__(
        self, resource: Resource, catalog: Catalog, query: str, pairs: Pairs, errors: QueryErrors
    ) -> None:
        self._resource = resource
        self._catalog = catalog
        self._relationships = catalog.relationships_of(resource)
        self._has_plus = "+" in query
        self._pairs = pairs
        self._errors = errors
        self._values = 0

    def parse(self, names: Names) -> tuple[Test, ...]:
        """Returns the tests, all of which must hold. The alternatives of a set are one test."""
        if len(names) > MAX_FILTERS:
            detail = f"There are {len(names)} filters; at most {MAX_FILTERS} are allowed."
            self._errors.add([*names][MAX_FILTERS], detail)
            return ()
        tests: list[Test] = []
        sets: dict[str, dict[str, list[Test]]] = {}
        for name, parts in names.items():
            if self._values > MAX_FILTER_VALUES:
                break
            if parts[0] != "or":
                if test := self._negatable(name, parts):
                    tests.append(test)
                continue
            alternative = self._alternative(name, parts, sets)
            if alternative is not None and (test := self._negatable(name, parts[2:])):
                alternative.append(test)
        if sum(map(len, sets.values())) > MAX_ALTERNATIVES:
            detail = f"The filters have more than {MAX_ALTERNATIVES} alternatives."
            self._errors.add("filter[or]", detail)
        for by_name in sets.values():
            first, *others = map(tuple, by_name.values())
            tests += [AnyOf((first, *others))] if others else first
        return tuple(tests)

    def _alternative(
        self, name: str, parts: list[str], sets: dict[str, dict[str, list[Test]]]
    ) -> list[Test] | None:
        """Returns the tests of the alternative of a filter, or None if the filter is invalid."""
        match = _ALTERNATIVE.fullmatch(parts[1]) if len(parts) > 1 else None
        if match is None or len(parts) < 3:
            detail = (
                f"{quote(name)} is not an alternative. Send filter[or][ALTERNATIVE]TEST or "
                "filter[or][SET.ALTERNATIVE]TEST, such as filter[or][1][id]=7. Both names have 1 "
                "to 8 characters of a-z and 0-9."
            )
            self._errors.add(name, detail)
            return None
        alternatives = sets.setdefault(match[1] or "", {})
        return alternatives.setdefault(match[2], [])

    def _negatable(self, name: str, parts: list[str]) -> Test | None:
        """Returns the test of a filter, negated if `not` precedes it, or None if it is invalid."""
        is_negated = parts[0] == "not"
        if is_negated:
            parts = parts[1:]
        if not 1 <= len(parts) <= 2:
            detail = f"{quote(name)} is not a filter. Send filter[ATTRIBUTE][OPERATOR]."
            self._errors.add(name, detail)
            return None
        operator = parts[1] if len(parts) > 1 else None
        test = self._test(name, parts[0], operator)
        return _negated(test) if is_negated and test else test

    def _test(self, name: str, about: str, operator: str | None) -> Test | None:
        texts = [value for other, value in self._pairs if other == name]
        if about == SEARCH and self._resource.searched:
            return self._word_search(name, operator, texts[0])
        subject = self._subject(name, about)
        if subject is None:
            return None
        if operator in (NULL, EMPTY) and operator in subject.operators:
            return self._flag_test(name, subject, operator, texts[0])
        values = self._values_of(name, subject, operator, texts)
        if values is None:
            return None
        condition = self._condition(name, subject.attribute, values)
        return subject.about_related(condition) if condition else None

    def _subject(self, name: str, about: str) -> _Subject | None:
        if attribute := self._resource.filterable.get(about):
            return _Subject(attribute)
        if relationship := self._relationships.get(about):
            target = self._catalog.target(relationship)
            return _Subject(target.filterable["id"], relationship, is_linkage=True)
        first, dot, path = about.partition(".")
        relationship = self._relationships.get(first) if dot else None
        if relationship is None:
            searched = [SEARCH] if self._resource.searched else []
            known = [*self._resource.filterable, *self._relationships, *searched]
            others = self._resource.attributes
            self._errors.add_unknown(name, [about], known, others=others, use="filtered")
            return None
        known_of_target = self._catalog.target(relationship).filterable
        if path in known_of_target:
            return _Subject(known_of_target[path], relationship)
        self._errors.add_unknown(name, [about], [f"{first}.{each}" for each in known_of_target])
        return None

    def _values_of(
        self, name: str, subject: _Subject, operator: str | None, texts: list[str]
    ) -> _Values | None:
        """Returns the operator and its texts, or None if there is an error."""
        op = _OPS.get(operator) if operator else Op.IN
        if op is None or not subject.allows(op):
            known = subject.operators
            detail = f"{self._name_of(subject)} cannot be filtered by {quote(operator or '')}."
            detail += did_you_mean(suggest_operator(operator or "", known))
            self._errors.add(name, f"{detail} Known: {', '.join(known)}.")
            return None
        is_list = op is Op.IN and operator != ""
        values = _Values(op, texts if op is Op.IN and not is_list else texts[:1], is_list)
        return values if self._count(name, values.count) else None

    def _count(self, name: str, number: int) -> bool:
        """Counts values. Returns False, and adds an error, if there are too many."""
        self._values += number
        if self._values > MAX_FILTER_VALUES:
            detail = f"The filters have more than {MAX_FILTER_VALUES} values."
            self._errors.add(name, f"{detail} Send several requests.")
            return False
        return True

    @staticmethod
    def _name_of(subject: _Subject) -> str:
        if subject.relationship is None:
            return subject.attribute.name
        if subject.is_linkage:
            return subject.relationship.name
        return f"{subject.relationship.name}.{subject.attribute.name}"

    def _flag_test(self, name: str, subject: _Subject, operator: str, text: str) -> Test | None:
        """Returns the test of `null` and `empty`."""
        value = _FLAGS.get(text)
        if value is None:
            self._errors.add(name, f"{name} must be true or false.")
            return None
        if not self._count(name, 1):
            return None
        if operator == EMPTY:
            test = subject.is_empty()
            return test if value else _negated(test)
        null = IsNull(subject.attribute.name)
        return subject.about_related(null if value else Not(null))

    def _word_search(self, name: str, operator: str | None, text: str) -> WordSearch | None:
        if operator is not None:
            detail = f"{SEARCH_PARAMETER} takes no operator. Send {SEARCH_PARAMETER}=WORDS."
            self._errors.add(name, detail)
            return None
        if not self._count(name, 1):
            return None
        if len(text) > MAX_VALUE_LENGTH:
            self._errors.add(name, _TOO_LONG)
            return None
        words = text.split()
        if 0 < len(words) <= MAX_WORDS:
            return WordSearch.folding(self._resource.searched, words)
        problem = f"has {len(words)} words" if words else "is empty"
        detail = f"{name} {problem}. Send 1 to {MAX_WORDS} words, separated by spaces."
        self._errors.add(name, detail)
        return None

    def _condition(self, name: str, attribute: Attribute, sent: _Values) -> Condition | None:
        op = sent.op
        texts = sent.texts[0].split(",") if sent.is_list else sent.texts
        if len(max(texts, key=len)) > MAX_VALUE_LENGTH:
            self._errors.add(name, _TOO_LONG)
            return None
        parsed = {text: attribute.parse(text, op) for text in texts}
        problems = [(text, each) for text, each in parsed.items() if isinstance(each, Problem)]
        if problems:
            details = [self._invalid_value(attribute, op, *each) for each in problems[:_MAX_SHOWN]]
            if (more := len(problems) - _MAX_SHOWN) > 0:
                rest = counted(more, "more value is", "more values are")
                details.append(f"{rest} invalid.")
            self._errors.add(name, " ".join(details))
            return None
        values = [parsed[text] for text in texts]
        if op is Op.IN and len(values) == 1:
            op = Op.EQ
        field = attribute.field
        if op in EQUALITY and field.key:
            keys = tuple(field.key.of(str(value)) for value in values)
            return Condition(field.key.attribute, op, keys)
        if op in TEXT_SEARCH or (field.folded and op in EQUALITY):
            return Condition.folding(attribute.name, op, tuple(map(str, values)))
        return Condition(attribute.name, op, tuple(values))

    def _invalid_value(self, attribute: Attribute, op: Op, text: str, problem: Problem) -> str:
        """Returns why an attribute cannot have a value, and what is accepted."""
        sent = quote(text) if text else "An empty value"
        detail = f"{sent} is not a valid {attribute.name}. It {problem.detail}."
        if self._has_plus and " " in text:
            encoded = attribute.parse(text.replace(" ", "+"), op)
            if not isinstance(encoded, Problem):
                detail += " A + in a query means a space; write %2B."
        return detail
