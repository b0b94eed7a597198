"""The parameters of statements that are cached by the shape of a search."""

from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Float, Integer, bindparam

COUNT: Final = bindparam("count", type_=Integer())
"""The maximum number of rows."""
OFFSET: Final = bindparam("offset", type_=Integer())
"""The number of rows before a numbered page."""


class Placeholder(NamedTuple):
    """A parameter of the statement, by name.

    `out_of_range`: the value is an integer that no column can store. `is_null`: the value of the
    key is null. The statement then contains IS NULL or IS NOT NULL instead of a parameter.
    """

    name: str
    out_of_range: bool = False
    is_null: bool = False


NULL: Final = Placeholder("", is_null=True)
Placeholders = tuple[Placeholder, ...]


def parameter(column: ColumnElement[Any], placeholder: Placeholder) -> ColumnElement[Any]:
    """Returns the parameter for a value that is compared with the column."""
    return bindparam(placeholder.name, type_=Float() if placeholder.out_of_range else column.type)
