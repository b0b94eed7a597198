"""A resource's declaration, a marshmallow-jsonapi schema, read once into plain tables.

The documents, the query parameters, files, the command line and the OpenAPI description all follow
from these tables. Attributes that are sent are loaded by marshmallow; see `Resource.load`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final

import marshmallow
from marshmallow import ValidationError
from marshmallow_jsonapi import Schema
from marshmallow_jsonapi.fields import Relationship

from adapters.jsonapi.kinds import EQUALITY, Id, Kind
from adapters.jsonapi.suggestions import MAX_SUGGESTIONS, suggest_attribute
from application.search import Op
from domain.attributes import UNKNOWN, AttributeRules, Rule
from domain.errors import Invalid, Problem, Violation


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute, or the id, as the format sees it.

    `rule`: in filters, equality accepts only values that follow it. `personal`: its values identify
    a person, so no URL that the service writes shows them.
    """

    name: str
    field: Kind
    rule: Rule | None = None
    personal: bool = False

    @property
    def required(self) -> bool:
        """Whether a new resource needs it."""
        return self.field.required

    @property
    def read_only(self) -> bool:
        """Whether only the service sets it."""
        return self.field.dump_only

    @property
    def secret(self) -> bool:
        """Whether it can be set and never read."""
        return self.field.load_only

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators of filters by this attribute."""
        return tuple(op.value for op in Op if self.field.allows(op))

    def read(self, text: str, op: Op) -> Any:
        """The value of a text to compare it with in that way; a Problem if it cannot have it.

        The caller bounds the length of the text.
        """
        value = self.field.from_text(text)
        if op in EQUALITY and self.rule and not isinstance(value, Problem):
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
_RESERVED: Final = frozenset(("or", "not", "q", "history"))
_NO_RULES: Final = AttributeRules({})


@dataclass(frozen=True, slots=True)
class Resource:
    """A type of resources with its attributes and relationships, in the order of declaration.

    A secret attribute is in `declared` and `settable` alone, so nothing that reads can show it.
    """

    type: str
    declared: _Attributes
    """All attributes."""
    id: Id = field(default_factory=Id)
    rules: AttributeRules = _NO_RULES
    relationships: Mapping[str, RelationshipField] = field(default_factory=dict)
    attributes: _Attributes = field(init=False)
    """What can be read."""
    settable: _Attributes = field(init=False)
    """What clients can set."""
    sortable: _Attributes = field(init=False)
    """What lists can be sorted by, including the id."""
    filterable: _Attributes = field(init=False)
    """What lists can be filtered by, including the id."""
    searched: tuple[str, ...] = field(init=False)
    """The attributes in which `filter[q]` looks for words."""
    _loader: marshmallow.Schema = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        declared = self.declared.items()
        readable = {name: each for name, each in declared if not each.secret}
        settable = {name: each for name, each in declared if not each.read_only}
        of_lists = {name: each for name, each in readable.items() if each.field.filterable}
        of_lists["id"] = Attribute("id", self.id)
        loaded = {name: each.field for name, each in settable.items()}
        for name, value in {
            "attributes": readable,
            "settable": settable,
            "sortable": {name: each for name, each in of_lists.items() if each.field.sortable},
            "filterable": {
                name: each for name, each in of_lists.items() if any(map(each.field.allows, Op))
            },
            "searched": tuple(name for name, each in of_lists.items() if each.field.searched),
            "_loader": marshmallow.Schema.from_dict(loaded, name=self.type)(),  # type: ignore[arg-type]
        }.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, schema: _SchemaClass, rules: AttributeRules | None = None) -> "Resource":
        """The tables of a schema whose fields are kinds.

        `rules` are the domain's. Raises ValueError if the schema contradicts them.
        """
        bound: dict[str, Any] = schema().fields
        if reserved := sorted(_RESERVED & bound.keys()):
            raise ValueError(f"Parameters and URLs use these names, so no field can: {reserved}.")
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
        known = rules or _NO_RULES
        if rules:
            _check_declaration(declared, relationships, rules)
        return cls(
            schema.Meta.type_,
            {
                name: Attribute(
                    name,
                    each,
                    rule=each.rule or known.rules.get(name),
                    personal=name in known.personal,
                )
                for name, each in declared.items()
            },
            bound["id"],
            known,
            relationships,
        )

    def load(
        self, sent: Mapping[str, object], *, partial: bool
    ) -> tuple[dict[str, Any], dict[str, object]]:
        """The values of sent attributes: those to be set, and the read-only ones.

        Marshmallow checks their types. `partial`: none is required. A read-only value is
        deserialized if possible; the domain compares it with the current one.

        Raises Invalid with all violations if there is one: what is missing, what has a wrong type
        or breaks a rule of the domain, and what is unknown. Otherwise, the caller passes the values
        to the domain, which checks them.
        """
        read_only: dict[str, object] = {}
        if not self.settable.keys() >= sent.keys():
            read_only = {
                name: _deserialized(self.declared[name].field, value)
                for name, value in sent.items()
                if name in self.declared and name not in self.settable
            }
            sent = {name: value for name, value in sent.items() if name not in read_only}
        try:
            return self._loader.load(sent, partial=partial or None), read_only
        except ValidationError as error:
            # Marshmallow's frame refers to the error, and its traceback to the frame: this cycle
            # would keep the values, which may be large, until the next garbage collection.
            found = error.with_traceback(None)
        raise Invalid(self._violations(sent, found))

    def _violations(
        self, sent: Mapping[str, object], error: ValidationError
    ) -> Iterator[Violation]:
        """What is wrong with the attributes that the schema refused.

        Unknown ones come lazily: there may be many, of which few are listed.
        """
        errors = error.messages_dict
        valid: Any = error.valid_data
        broken = {each.attribute: each.problem for each in self.rules.violations(valid)}
        for name in errors.keys() & self.settable.keys():
            ((code, detail),) = errors[name].items()
            broken[name] = Problem(code, detail)
        missing = [name for name in self.settable if name in broken and name not in sent]
        invalid = [name for name in self.settable if name in broken and name in sent]
        unknown = (name for name in sent if name not in self.settable)
        return chain(
            (Violation(name, broken[name]) for name in (*missing, *invalid)),
            (Violation(name, self._unknown(name)) for name in islice(unknown, MAX_SUGGESTIONS)),
            (Violation(name, UNKNOWN) for name in unknown),
        )

    def _unknown(self, name: str) -> Problem:
        """The problem of an attribute that does not exist, with those that can be set."""
        similar = suggest_attribute(name, self.settable)
        question = f" Did you mean '{similar}'?" if similar else ""
        known = ", ".join(self.settable)
        return Problem(UNKNOWN.code, f"{UNKNOWN.detail}.{question} Known: {known}")

    def csv_row(self, entity: Any) -> list[str]:
        """The id and the attributes of an entity as text, which `from_text` of their fields reads.

        None is the empty text.
        """
        return [
            self.id.format(entity.id),
            *(each.field.to_text(getattr(entity, name)) for name, each in self.attributes.items()),
        ]


def _deserialized(field: Kind, value: object) -> object:
    """The value of its JSON form; the form itself if it is invalid."""
    try:
        return field.deserialize(value)
    except ValidationError:
        return value


def _check_declaration(
    declared: Mapping[str, Kind],
    relationships: Mapping[str, RelationshipField],
    rules: AttributeRules,
) -> None:
    """Raises ValueError if the fields and the domain's rules differ about an attribute."""
    settable = {name: each for name, each in declared.items() if not each.dump_only}
    to_one = {name for name, each in relationships.items() if not each.is_many}
    for about, of_schema, of_domain in (
        ("settable", settable.keys(), rules.rules.keys() - rules.references),
        ("references", to_one, rules.references),
        ("required", _having("required", settable), set(rules.required)),
        ("nullable", _having("allow_none", settable) | to_one, rules.nullable),
        ("secret", _having("load_only", settable), rules.secret),
    ):
        if different := sorted(of_schema ^ of_domain):
            raise ValueError(f"The schema and the domain disagree about {about}: {different}.")


def _having(flag: str, declared: Mapping[str, Kind]) -> set[str]:
    return {name for name, each in declared.items() if getattr(each, flag)}
