"""A resource of the tests: every kind of attribute, served by generic code alone.

Its modules are those that any resource needs; see "Adding a resource" in CONTRIBUTING.
"""

from contract.books.domain import BOOK_TYPE
from contract.books.schema import BOOKS
from contract.books.table import BOOKS_TABLE

from entrypoints.resources import RegisteredResource

BOOK_RESOURCE = RegisteredResource(BOOK_TYPE, BOOKS, BOOKS_TABLE)
