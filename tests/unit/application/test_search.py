"""The language of questions."""

from application.search import Condition, Numbered, Op, Order, Slice, total_order


def test_an_ordering_is_completed_by_ascending_id() -> None:
    assert total_order(()) == (Order("id"),)
    assert total_order((Order("name", descending=True),)) == (Order("name", True), Order("id"))


def test_what_comes_after_the_id_can_not_matter() -> None:
    assert total_order((Order("id", True), Order("name"))) == (Order("id", True),)


def test_an_attribute_orders_once() -> None:
    assert total_order((Order("name"), Order("name", True))) == (Order("name"), Order("id"))


def test_a_folding_condition_folds_its_values() -> None:
    assert Condition.folding("email", Op.EQ, ("ÄNN@X.ORG",)).values == ("änn@x.org",)


def test_a_slice_is_filled_from_its_end_where_only_that_is_known() -> None:
    assert Slice(1, before=(5,)).backward
    assert not Slice(1, after=(1,), before=(5,)).backward
    assert not Slice(1).backward


def test_pages_are_numbered_from_one() -> None:
    assert Numbered(size=25, number=1).offset == 0
    assert Numbered(size=25, number=5).offset == 100
