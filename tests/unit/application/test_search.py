"""Searches: orders, conditions and pages."""

from application.search import Condition, Numbered, Op, Order, Slice, total_order


def test_an_ordering_is_completed_by_ascending_id() -> None:
    assert total_order(()) == (Order("id"),)
    assert total_order((Order("name", descending=True),)) == (Order("name", True), Order("id"))


def test_ignores_orders_after_the_id() -> None:
    assert total_order((Order("id", True), Order("name"))) == (Order("id", True),)


def test_ignores_a_second_order_by_the_same_attribute() -> None:
    assert total_order((Order("name"), Order("name", True))) == (Order("name"), Order("id"))


def test_a_folding_condition_folds_its_values() -> None:
    assert Condition.folding("email", Op.EQ, ("ÄNN@X.ORG",)).values == ("änn@x.org",)


def test_a_slice_with_only_an_end_is_filled_backward() -> None:
    assert Slice(1, before=(5,)).backward
    assert not Slice(1, after=(1,), before=(5,)).backward
    assert not Slice(1).backward


def test_pages_are_numbered_from_one() -> None:
    assert Numbered(size=25, number=1).offset == 0
    assert Numbered(size=25, number=5).offset == 100
