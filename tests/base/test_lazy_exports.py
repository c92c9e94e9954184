import pytest

from attractor.base.lazy_exports import lazy_getattr
from attractor.base.registry import Registry


def test_name_is_imported_from_its_module_on_first_use() -> None:
    find = lazy_getattr("attractor.base", {"Registry": "registry", "odd": "not_there"})
    assert find("Registry") is Registry
    assert lazy_getattr("a.b", {"Registry": "registry"}, below="attractor.base")("Registry")
    with pytest.raises(ModuleNotFoundError):
        find("odd")
    with pytest.raises(AttributeError, match=r"module 'attractor\.base' has no attribute 'other'"):
        find("other")
