""""""

import pytest

from attractor.base.lazy_exports import lazy_getattr
from attractor.base.registry import Registry


def test_a_name_is_found_in_its_home_which_is_looked_for_only_then() -> None:
    find = lazy_getattr("attractor.base", {"Registry": "registry", "odd": "not_there"})
    assert find("Registry") is Registry
    with pytest.raises(ModuleNotFoundError):
        find("odd")


def test_homes_may_be_below_another_module() -> None:
    find = lazy_getattr("a.door", {"Registry": "registry"}, below="attractor.base")
    assert find("Registry") is Registry


def test_what_is_not_there_is_missing_as_in_any_module() -> None:
    find = lazy_getattr("a.door", {})
    with pytest.raises(AttributeError, match=r"module 'a\.door' has no attribute 'odd'"):
        find("odd")
