"""Sections of settings: frozen tables that are declared and made without pydantic.

Importing pydantic and making its models takes a third of the time of a short command.
`schema.model_of` makes the model of a section for explaining a mistake and writing a schema.
"""

from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from typing import Annotated, Any, ClassVar, NamedTuple, dataclass_transform


class SecretStr:
    """A text that is never printed, like pydantic's class of this name."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def get_secret_value(self) -> str:
        """Return the text."""
        return self._secret

    def __len__(self) -> int:
        return len(self._secret)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretStr) and self._secret == other._secret

    def __hash__(self) -> int:
        return hash(self._secret)

    def __str__(self) -> str:
        return "**********" if self._secret else ""

    def __repr__(self) -> str:
        return f"SecretStr('{self}')"


class Setting(NamedTuple):
    """A field of a section.

    Functions in `Annotated` check a value and return it, and mappings have limits, as arguments of
    pydantic's `Field`.
    """

    shape: object
    default: object
    factory: Callable[[], object] | None = None
    description: str | None = None
    limits: Mapping[str, int] = {}

    @property
    def limited_shape(self) -> object:
        """The shape with its limits."""
        return Annotated[self.shape, self.limits] if self.limits else self.shape

    def default_value(self) -> object:
        """Return the value of a setting that no source sets."""
        return self.factory() if self.factory else self.default


def setting(
    *,
    description: str,
    default: Any = None,
    default_factory: Callable[[], Any] | None = None,
    **limits: int,
) -> Any:
    """Declare a field: limits are `ge`, `le` and `min_length`."""
    return Setting(None, default, default_factory, description, limits)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(setting,))
class Section:
    """Frozen table of settings that refuses unknown keys. Each field has a default."""

    settings: ClassVar[Mapping[str, Setting]] = {}

    def __init_subclass__(cls) -> None:
        declared = {name: (shape, vars(cls)[name]) for name, shape in cls.__annotations__.items()}
        cls.settings = {
            name: one._replace(shape=shape) if isinstance(one, Setting) else Setting(shape, one)
            for name, (shape, one) in declared.items()
        }

    def __init__(self, **values: object) -> None:
        if unknown := values.keys() - self.settings.keys():
            raise TypeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        defaults = {
            name: one.default_value() for name, one in self.settings.items() if name not in values
        }
        vars(self).update(defaults, **values)

    def require_consistency(self) -> None:
        """Raise ValueError if values exclude each other."""

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"
