import pytest

from attractor.twins.services.path_patterns import PathPattern


@pytest.mark.parametrize(
    ("pattern", "path", "found"),
    [
        ("/v1/customers", "v1/customers", {}),
        ("/v1/customers/{id}", "v1/customers/c1", {"id": "c1"}),
        ("/{a}/x/{b}", "1/x/2", {"a": "1", "b": "2"}),
        ("/files/{name...}", "files/a/b", {"name": "a/b"}),
        ("/files/{name...}", "files", None),
        ("/files/{name...}", "files/", {"name": ""}),
        ("/files/{name...}", "files/a/", {"name": "a"}),
        ("/{rest...}", "", {"rest": ""}),
        ("/{id}", "", None),
        ("/", "", {}),
        ("/v1/customers", "v1/customers/", {}),
        ("/v1/customers/{id}", "v1/customers", None),
        ("/v1/customers/{id}", "v1/customers/", None),
        ("/v1/customers", "v1/customers/c1", None),
    ],
)
def test_a_pattern_takes_paths_of_its_form(
    pattern: str, path: str, found: dict[str, str] | None
) -> None:
    assert PathPattern(pattern).match(path.split("/")) == found


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        ("/a/{id}", "/a/{name}", True),
        ("/a/{id}", "/a/b", True),
        ("/a/b", "/a/{id}", False),
        ("/{rest...}", "/a/{id}", True),
        ("/a/{id}", "/{rest...}", False),
        ("/{rest...}", "/a/{more...}", True),
        ("/a/{more...}", "/{rest...}", False),
        ("/{rest...}", "/", True),
        ("/a/{more...}", "/a", False),
    ],
)
def test_a_pattern_knows_which_others_it_covers(one: str, other: str, covers: bool) -> None:
    assert PathPattern(one).covers(PathPattern(other)) is covers


@pytest.mark.parametrize(
    "written", ["a", "/a?b=1", "/a//b", "/{a}b", "/{a}/{a}", "/{a...}/b", "/{1}"]
)
def test_what_is_no_pattern_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="."):
        PathPattern(written)
