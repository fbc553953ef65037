"""The frozen dataclasses are dataclasses: same fields, comparison, replacement and refusal."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from valuegen.frozen import dataclass


@dataclass(frozen=True)
class Point:
    x: int
    y: int = 2


@dataclass(frozen=True)
class Deeper(Point):
    z: tuple[int, ...] = ()
    hidden: str = dataclasses.field(default="h", repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "z", tuple(sorted(self.z)))


@dataclass(frozen=True, kw_only=True)
class Named:
    a: int
    b: int = 0


@dataclass(frozen=True, eq=False)
class Identity:
    a: int


@dataclass(frozen=True)
class Nothing:
    pass


def test_they_are_made_compared_and_hashed_by_their_fields() -> None:
    assert Point(1) == Point(1, 2) == Point(y=2, x=1)
    assert hash(Point(1)) == hash(Point(1, 2))
    assert len({Point(1), Point(1, 2), Point(2)}) == 2
    assert Point(1) != Deeper(1)
    assert Point(1).__eq__((1, 2)) is NotImplemented
    assert Nothing() == Nothing()
    assert Identity(1) != Identity(1)


def test_dataclasses_own_functions_know_them() -> None:
    assert [field.name for field in dataclasses.fields(Deeper)] == ["x", "y", "z", "hidden"]
    assert dataclasses.replace(Deeper(1), z=(3, 1)) == Deeper(1, 2, (1, 3))
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 2}
    assert dataclasses.is_dataclass(Nothing)


def test_they_print_like_dataclasses() -> None:
    assert repr(Point(1)) == "Point(x=1, y=2)"
    assert repr(Deeper(1)) == "Deeper(x=1, y=2, z=())"


@pytest.mark.parametrize(
    ("kind", "positional", "named"),
    [(Point, (), {}), (Point, (1, 2, 3), {}), (Named, (1,), {}), (Point, (1,), {"w": 3})],
)
def test_wrong_arguments_are_refused(kind: Any, positional: tuple[int, ...], named: dict[str, int]) -> None:
    with pytest.raises(TypeError, match="argument"):
        kind(*positional, **named)
    assert Named(a=1) == Named(a=1, b=0)


def test_nothing_changes_them() -> None:
    point = Point(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"Point\.x"):
        point.x = 3  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    assert point == Point(1)


def test_one_that_could_change_is_refused() -> None:
    with pytest.raises(ValueError, match="frozen=True"):
        dataclass(frozen=False)(type("Loose", (), {}))
