"""Frozen dataclasses that cost little to define.

The standard decorator compiles six methods for every class, which for the classes here takes longer than
a plan. This one compiles the constructor alone; comparing, hashing, printing and refusing to change are
the same few functions for all classes. What it makes is a dataclass to `dataclasses` and type checkers.
"""

from __future__ import annotations

import dataclasses
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, eq: bool = True, kw_only: bool = False) -> Callable[[type], type]:
        """Like dataclasses.dataclass(frozen=True, ...), which it must be asked for by name."""
        if not frozen:
            raise ValueError("valuegen.frozen: makes frozen dataclasses; pass frozen=True")

        def made(cls: type) -> type:
            cls = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
            cls.__init__ = _constructor(cls)
            cls.__setattr__ = cls.__delattr__ = _refuse
            cls.__repr__ = _repr
            if eq:
                names = [field.name for field in dataclasses.fields(cls) if field.compare]
                cls._compared = staticmethod(attrgetter("__class__", *names))
                cls.__eq__ = _eq
                cls.__hash__ = _hash
            return cls

        return made


def _constructor(cls: type) -> Any:
    """`__init__` with a parameter per field; the fields go past the `__setattr__` that refuses."""
    defaults: dict[str, Any] = {}
    positional: list[str] = ["self"]
    keyword: list[str] = []
    body: list[str] = []
    for field in dataclasses.fields(cls):
        name, parameter = field.name, field.name
        if field.default is not dataclasses.MISSING:
            defaults[f"_{name}"] = field.default
            parameter = f"{name}=_{name}"
        (keyword if field.kw_only else positional).append(parameter)
        body.append(f"own[{name!r}] = {name}")
    parameters = ", ".join([*positional, *(["*", *keyword] if keyword else [])])
    end = "; self.__post_init__()" if hasattr(cls, "__post_init__") else ""
    made: dict[str, Any] = {}
    exec(f"def __init__({parameters}): own = self.__dict__; {'; '.join(body)}{end}", defaults, made)  # noqa: S102
    return made["__init__"]


def _refuse(self: Any, name: str, *_: Any) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"{type(self).__qualname__}.{name}: is frozen; use replace()")


def _repr(self: Any) -> str:
    shown = ", ".join(
        f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr
    )
    return f"{type(self).__qualname__}({shown})"


def _eq(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return self._compared(self) == self._compared(other)


def _hash(self: Any) -> int:
    # What never changes is hashed once: a search looks the same model up again and again.
    own = self.__dict__
    if "_hashed" not in own:
        own["_hashed"] = hash(self._compared(self))
    return int(own["_hashed"])
