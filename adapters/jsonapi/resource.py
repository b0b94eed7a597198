"""The declaration of a resource type, as tables from its marshmallow-jsonapi schema.

Documents, query parameters, files, the command line and the OpenAPI document use these tables.
Marshmallow loads the attributes that clients send; see `Resource.load`.
"""

from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final

import marshmallow
from marshmallow import ValidationError
from marshmallow_jsonapi import Schema
from marshmallow_jsonapi.fields import Relationship

from adapters.jsonapi.kinds import EQUALITY, Id, Kind
from adapters.jsonapi.suggestions import MAX_SUGGESTIONS, SEARCH, suggest_attribute
from adapters.jsonapi.unknown_names import did_you_mean
from application.search import Op
from domain.attributes import UNKNOWN, AttributeRules, Rule
from domain.errors import Invalid, Problem, Violation


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute, or the id, of a resource type.

    `rule`: in filters, equality accepts only values that follow the rule. `personal`: the values
    identify a person, so URLs that the service creates do not show them.
    """

    name: str
    field: Kind
    rule: Rule | None = None
    personal: bool = False

    @property
    def required(self) -> bool:
        """True if a new resource must have the attribute."""
        return self.field.required

    @property
    def read_only(self) -> bool:
        """True if only the service sets the attribute."""
        return self.field.dump_only

    @property
    def secret(self) -> bool:
        """True if clients can set the attribute but never read it."""
        return self.field.load_only

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators of filters for this attribute."""
        return tuple(op.value for op in Op if self.field.allows(op))

    def parse(self, text: str, op: Op) -> Any:
        """Returns the value of a text in a filter with this operator; a Problem if it is invalid.

        The caller limits the length of the text.
        """
        if op not in EQUALITY:
            return self.field.bound_from_text(text)
        value = self.field.from_text(text)
        if self.rule and not isinstance(value, Problem):
            return self.rule(value) or value
        return value


@dataclass(frozen=True, slots=True)
class RelationshipField:
    """A relationship, as the format sees it.

    `type` is that of the related resources. `is_many`: there is any number of them; otherwise, one
    or none.
    """

    name: str
    type: str
    is_many: bool
    description: str = ""


_Attributes = Mapping[str, Attribute]
_SchemaClass = type[Schema]
_RESERVED: Final = frozenset(("or", "not", SEARCH, "history"))
"""The words that have another meaning in filters, or at the end of URLs."""
_NO_RULES: Final = AttributeRules({})
_UNKNOWN_RELATIONSHIP: Final = Problem(UNKNOWN.code, "is not a relationship of this type")


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource type with its attributes and relationships, in the order of their declaration.

    Secret attributes are only in `declared` and `settable`, so no response can contain them.
    """

    type: str
    declared: _Attributes
    """All attributes."""
    id: Id = field(default_factory=Id)
    rules: AttributeRules = _NO_RULES
    relationships: Mapping[str, RelationshipField] = field(default_factory=dict)
    attributes: _Attributes = field(init=False)
    """The attributes that clients can read."""
    settable: _Attributes = field(init=False)
    """The attributes that clients can set."""
    sortable: _Attributes = field(init=False)
    """The attributes by which lists can be sorted, including the id."""
    filterable: _Attributes = field(init=False)
    """The attributes by which lists can be filtered, including the id."""
    searched: tuple[str, ...] = field(init=False)
    """The attributes that `filter[q]` searches for words."""
    _loader: marshmallow.Schema = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        declared = self.declared.items()
        readable = {name: each for name, each in declared if not each.secret}
        settable = {name: each for name, each in declared if not each.read_only}
        listed = {name: each for name, each in readable.items() if each.field.filterable}
        listed["id"] = Attribute("id", self.id)
        loaded = {name: each.field for name, each in settable.items()}
        for name, value in {
            "attributes": readable,
            "settable": settable,
            "sortable": {name: each for name, each in listed.items() if each.field.sortable},
            "filterable": {
                name: each for name, each in listed.items() if any(map(each.field.allows, Op))
            },
            "searched": tuple(name for name, each in listed.items() if each.field.searched),
            "_loader": marshmallow.Schema.from_dict(loaded, name=self.type)(),  # type: ignore[arg-type]
        }.items():
            object.__setattr__(self, name, value)

    @property
    def references(self) -> tuple[str, ...]:
        """The names of the to-one relationships."""
        return tuple(name for name, each in self.relationships.items() if not each.is_many)

    @classmethod
    def of(cls, schema: _SchemaClass, rules: AttributeRules | None = None) -> "Resource":
        """Creates the tables of a schema whose fields are kinds.

        `rules` are those of the domain. Raises ValueError if the schema contradicts them, or if a
        field has a reserved name.
        """
        bound: dict[str, Any] = schema().fields
        if reserved := sorted(_RESERVED & bound.keys()):
            raise ValueError(
                f"Fields must not have these names of parameters and URLs: {reserved}."
            )
        relationships = {
            name: RelationshipField(
                name, each.type_, each.many, each.metadata.get("description", "")
            )
            for name, each in bound.items()
            if isinstance(each, Relationship)
        }
        declared = {
            name: each for name, each in bound.items() if name != "id" and name not in relationships
        }
        domain_rules = rules or _NO_RULES
        if rules:
            _check_declaration(declared, relationships, rules)
        return cls(
            schema.Meta.type_,
            {
                name: Attribute(
                    name,
                    each,
                    rule=each.rule or domain_rules.rules.get(name),
                    personal=name in domain_rules.personal,
                )
                for name, each in declared.items()
            },
            bound["id"],
            domain_rules,
            relationships,
        )

    def load(
        self,
        sent: Mapping[str, object],
        *,
        partial: bool,
        only: Set[str] | None = None,
        unknown: Collection[str] = (),
    ) -> tuple[dict[str, Any], dict[str, object]]:
        """Returns the values of the settable and of the read-only attributes that a client sent.

        Marshmallow checks the types. `partial`: no attribute is required. Read-only values are
        deserialized if possible, and the domain compares them with the current ones. The caller
        passes the values to the domain, which checks its rules. With `only`, all other attributes
        count as read-only. `unknown` are the names of relationships that the type does not have;
        an attribute may have the same name.

        Raises Invalid if marshmallow finds an error, or if a relationship is unknown. It lists
        missing attributes, wrong types, violations of the domain's rules, unknown attributes and
        unknown relationships.
        """
        read_only: dict[str, object] = {}
        settable = self.settable.keys() if only is None else only
        if not settable >= sent.keys():
            read_only = {
                name: _deserialize_if_valid(self.declared[name].field, value)
                for name, value in sent.items()
                if name in self.declared and name not in settable
            }
            sent = {name: value for name, value in sent.items() if name not in read_only}
        try:
            loaded = self._loader.load(sent, partial=partial or None)
            if not unknown:
                return loaded, read_only
            load_error = ValidationError({}, valid_data=loaded)
        except ValidationError as error:
            # Marshmallow's frame refers to the error, and the error's traceback to the frame. This
            # cycle would hold the values, which may be large, until the next garbage collection.
            load_error = error.with_traceback(None)
        raise Invalid(self._violations(sent, load_error, unknown))

    def _violations(
        self, sent: Mapping[str, object], error: ValidationError, relationships: Collection[str]
    ) -> Iterator[Violation]:
        """Returns the violations of attributes that the schema rejected.

        The violations of unknown fields are lazy: there may be many, but few are listed.
        """
        errors = error.messages_dict
        valid: Any = error.valid_data
        problems = {each.attribute: each.problem for each in self.rules.violations(valid)}
        for name in errors.keys() & self.settable.keys():
            ((code, detail),) = errors[name].items()
            problems[name] = Problem(code, detail)
        absent = [name for name in self.settable if name in problems and name not in sent]
        missing = [name for name in absent if name not in relationships]  # else, it is misplaced
        invalid = [name for name in self.settable if name in problems and name in sent]
        unknown = chain(
            ((name, UNKNOWN, self.settable) for name in sent if name not in self.settable),
            ((name, _UNKNOWN_RELATIONSHIP, self.relationships) for name in relationships),
        )
        return chain(
            (Violation(name, problems[name]) for name in (*missing, *invalid)),
            (Violation(each[0], _explained(*each)) for each in islice(unknown, MAX_SUGGESTIONS)),
            (Violation(name, problem) for name, problem, _ in unknown),
        )

    def csv_row(self, entity: Any) -> list[str]:
        """Returns the id and the attributes of an entity as text, which `from_text` can parse.

        None becomes the empty string.
        """
        return [
            self.id.format(entity.id),
            *(each.field.to_text(getattr(entity, name)) for name, each in self.attributes.items()),
        ]


def _explained(name: str, problem: Problem, known: Mapping[str, object]) -> Problem:
    """Returns the problem of an unknown field. It lists the known fields."""
    similar = suggest_attribute(name, known)
    accepted = f"Known: {', '.join(known)}" if known else "There are none"
    return Problem(problem.code, f"{problem.detail}.{did_you_mean(similar)} {accepted}")


def _deserialize_if_valid(field: Kind, value: object) -> object:
    """Returns the value of its JSON form. If the form is invalid and short, returns the form.

    A long invalid form is not that of a current value. It would take memory until it is compared.
    """
    try:
        return field.deserialize(value)
    except ValidationError:
        is_long = isinstance(value, dict | list) or (
            isinstance(value, str) and len(value) > _MAX_INVALID_LENGTH
        )
        return _OTHER if is_long else value


_MAX_INVALID_LENGTH: Final = 1000
_OTHER: Final = object()
"""Differs from every value of an attribute."""


def _check_declaration(
    declared: Mapping[str, Kind],
    relationships: Mapping[str, RelationshipField],
    rules: AttributeRules,
) -> None:
    """Raises ValueError if the fields contradict the domain's rules."""
    settable = {name: each for name, each in declared.items() if not each.dump_only}
    to_one = {name for name, each in relationships.items() if not each.is_many}
    for quality, in_schema, in_domain in (
        ("settable", settable.keys(), rules.rules.keys() - rules.references),
        ("references", to_one, rules.references),
        ("required", _names_with("required", settable), set(rules.required)),
        ("nullable", _names_with("allow_none", settable) | to_one, rules.nullable),
        ("secret", _names_with("load_only", settable), rules.secret),
    ):
        if names := sorted(in_schema ^ in_domain):
            raise ValueError(
                f"The schema and the domain disagree about {quality} attributes: {names}."
            )


def _names_with(flag: str, declared: Mapping[str, Kind]) -> set[str]:
    return {name for name, each in declared.items() if getattr(each, flag)}
