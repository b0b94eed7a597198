"""Headers with any text are accepted or rejected, and never cause another error."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.jsonapi.content_negotiation import accepted_profiles, check_content_type
from adapters.jsonapi.errors import RequestError
from adapters.jsonapi.etags import entity_tag, expected_versions, if_none_match_matches

PIECES = st.sampled_from(
    [
        *("application/vnd.api+json", "application/json", "*/*", "text/html", "*", "x:y", "1-ab"),
        *(";", ",", "=", '"', "\\", "'", " ", "\t", "\xff", "%41", "W/"),
        *("q=0", "q=nan", "q=1e9", "q=-1", "q=", "charset", "ext", "profile"),
    ]
)
HEADERS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=20)


@given(HEADERS)
def test_any_accept_header_is_accepted_or_406(accept: str) -> None:
    try:
        accepted_profiles(accept)
    except RequestError as error:
        assert error.status == 406  # noqa: PT017


@given(HEADERS, st.booleans(), st.booleans())
def test_any_content_type_is_accepted_or_415(text: str, has_body: bool, body_matters: bool) -> None:
    try:
        check_content_type(text, has_body=has_body, uses_body=body_matters)
    except RequestError as error:
        assert error.status == 415  # noqa: PT017


@pytest.mark.parametrize("quality", ["0", "0.0", "nan", "-1", "x"])
def test_accepts_nothing_with_a_quality_of_zero_or_an_invalid_one(quality: str) -> None:
    with pytest.raises(RequestError) as caught:
        accepted_profiles(f"application/json;q={quality}")
    assert caught.value.status == 406


@given(HEADERS)
def test_reads_any_condition(condition: str) -> None:
    tag = entity_tag(b"document", 3)
    assert if_none_match_matches(condition, tag) in (True, False)
    versions = expected_versions(condition)
    assert versions is None or isinstance(versions, frozenset)
    assert all(version > 0 for version in versions or ())


def test_a_tag_depends_on_the_version_and_the_bytes() -> None:
    tags = {entity_tag(b"one", 1), entity_tag(b"two", 1), entity_tag(b"one", 2), entity_tag(b"one")}
    assert len(tags) == 4
    assert expected_versions(", ".join(sorted(tags))) == {1, 2}
    assert expected_versions(None) is None
