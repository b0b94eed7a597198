"""Cells that a spreadsheet program would evaluate, convert or round."""

from adapters.files.protection import SpreadsheetProtection
from adapters.jsonapi.kinds import Decimal, Id, Integer


def test_numbers_of_more_than_15_digits_are_protected() -> None:
    protection = SpreadsheetProtection()
    row = ["1", "123456789012345", "-1234567890123.45", "1234567890123456", "12345678901234.56"]
    kinds = [Id(), Integer(), Decimal(), Integer(), Decimal()]
    assert [*protection.rows([row], kinds)] == [
        [
            "1",
            "123456789012345",
            "-1234567890123.45",
            "'1234567890123456",
            "'12345678901234.56",
        ]
    ]
    assert protection.count == 2
