"""Typed access to a parsed config.json; every complaint names the key, the rule and the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valuegen.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Far above any model, far below what could make the arithmetic slow.
LARGEST_INTEGER = 10**9
MOST_LAYERS = 10_000


class Keys:
    """A section of config.json. A key that is null counts as absent, as in transformers."""

    def __init__(
        self, raw: Mapping[str, Any], *, model: str, path: str = "", file: str = "config.json"
    ) -> None:
        """`path` is where the section stands in `file`; both only for messages."""
        self._raw = raw
        self._model = model
        self._path = path
        self._file = file

    def fail(self, key: str, rule: str, fix: str = "use the model's original file") -> ModelError:
        """The error for a key of this section."""
        return ModelError(f"{self._model}: {self._file} key {self._path}{key} {rule}", fix)

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self._raw.get(key) is not None

    def states(self, key: str) -> bool:
        """Whether the key is there, null included."""
        return key in self._raw

    def raw(self, key: str) -> object:
        """The value as it is, for the rare key whose type varies."""
        return self._raw.get(key)

    def positive(self, key: str, default: int | None = None) -> int:
        """A positive integer."""
        value = self._raw.get(key)
        if value is None:
            if default is None:
                raise self.fail(key, "is missing; it must be a positive integer")
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(key, f"is {_shown(value)}; it must be a positive integer")
        limit = MOST_LAYERS if key == "num_hidden_layers" else LARGEST_INTEGER
        if not 0 < value <= limit:
            raise self.fail(key, f"is {value}; it must be between 1 and {limit}")
        return value

    def count(self, key: str, default: int) -> int:
        """An integer that may be zero."""
        return 0 if self._raw.get(key) == 0 else self.positive(key, default)

    def number(self, key: str, default: float | None = None) -> float:
        """A positive number."""
        value = self._raw.get(key)
        if value is None:
            if default is None:
                raise self.fail(key, "is missing; it must be a positive number")
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.fail(key, f"is {_shown(value)}; it must be a positive number")
        if not 0 < value <= LARGEST_INTEGER:  # also refuses NaN and infinity
            raise self.fail(key, f"is {value}; it must be a positive number")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """true or false."""
        value = self._raw.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.fail(key, f"is {_shown(value)}; it must be true or false")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A string."""
        value = self._raw.get(key)
        if value is None:
            if default is None:
                raise self.fail(key, "is missing; it must be a string")
            return default
        if not isinstance(value, str):
            raise self.fail(key, f"is {_shown(value)}; it must be a string")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of strings, empty when absent."""
        value = self._raw.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(key, f"is {_shown(value)}; it must be a list of strings")
        return tuple(value)

    def names(self, key: str, length: int) -> tuple[str, ...]:
        """A list of strings with one entry per layer."""
        value = self.strings(key)
        if len(value) != length:
            raise self.fail(key, f"has {len(value)} entries; num_hidden_layers is {length}")
        return value

    def integers(self, key: str) -> tuple[int, ...]:
        """A list of positive integers, empty when absent."""
        value = self._raw.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(type(item) is int and item > 0 for item in value):
            raise self.fail(key, f"is {_shown(value)}; it must be a list of positive integers")
        return tuple(value)

    def indexes(self, key: str) -> tuple[int, ...]:
        """A list of layers, counted from 0, empty when absent."""
        value = self._raw.get(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(type(item) is int and item >= 0 for item in value):
            raise self.fail(key, f"is {_shown(value)}; it must be a list of layers, counted from 0")
        return tuple(value)

    def flags(self, key: str, length: int) -> tuple[bool, ...]:
        """A list of 0 and 1 with one entry per layer; all 0 when absent or no list."""
        value = self._raw.get(key)
        if not isinstance(value, list):
            return (False,) * length
        if len(value) != length or not all(item in (0, 1) for item in value):
            raise self.fail(
                key, f"must be a list of 0 and 1 with {length} entries, as num_hidden_layers says"
            )
        return tuple(bool(item) for item in value)

    def section(self, key: str) -> Keys:
        """A nested object."""
        value = self._raw.get(key)
        if not isinstance(value, dict):
            state = "is missing" if value is None else f"is {_shown(value)}"
            raise self.fail(key, f"{state}; it must be an object")
        return Keys(value, model=self._model, path=f"{self._path}{key}.", file=self._file)

    def optional(self, key: str) -> Keys:
        """A nested object, empty when absent: every key has its default."""
        if self.has(key):
            return self.section(key)
        return Keys({}, model=self._model, path=f"{self._path}{key}.", file=self._file)

    def sections(self, key: str, length: int) -> tuple[Keys, ...]:
        """A list of objects with one entry per layer."""
        value = self._raw.get(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            state = "is missing" if value is None else f"is {_shown(value)}"
            raise self.fail(key, f"{state}; it must be a list of objects")
        if len(value) != length:
            raise self.fail(key, f"has {len(value)} entries; num_hidden_layers is {length}")
        return tuple(
            Keys(item, model=self._model, path=f"{self._path}{key}[{index}].", file=self._file)
            for index, item in enumerate(value)
        )

    def entries(self, key: str) -> tuple[str, ...]:
        """The keys of a nested object."""
        return tuple(self.section(key)._raw)

    def without(self, *names: str) -> Keys:
        """The same section with some keys unread."""
        kept = {name: value for name, value in self._raw.items() if name not in names}
        return Keys(kept, model=self._model, path=self._path, file=self._file)

    def defaulting(self, defaults: Mapping[str, object]) -> Keys:
        """The same section, with `defaults` where a key is absent or null."""
        missing = {name: value for name, value in defaults.items() if not self.has(name)}
        return Keys({**self._raw, **missing}, model=self._model, path=self._path, file=self._file)

    def window(self, key: str, default: int | None) -> int | None:
        """A sliding window in tokens; null and 0 switch it off, absence means `default`."""
        if not self.states(key):
            return default
        return None if self._raw[key] in (None, 0) else self.positive(key)

    def quotient(self, key: str, by: str, value: int | None = None, divisor: int | None = None) -> int:
        """One key divided by another; it must come out even."""
        value = self.positive(key) if value is None else value
        divisor = self.positive(by) if divisor is None else divisor
        self.divisible(key, value, by, divisor)
        return value // divisor

    def divisible(self, key: str, value: int, by: str, divisor: int) -> None:
        """Refuse a value that another key does not divide."""
        if value % divisor:
            raise self.fail(key, f"is {value}; {by}, which is {divisor}, must divide it")

    def one_of(self, key: str, value: str, known: Sequence[str]) -> None:
        """Refuse a value outside a fixed list."""
        if value not in known:
            raise self.fail(key, f"is {_shown(value)}; known are {', '.join(known)}")

    def uniform(self, key: str, values: Sequence[bool], rule: str) -> None:
        """Refuse a mixture."""
        if len(set(values)) > 1:
            raise self.fail(key, f"applies to {sum(values)} of {len(values)} layers; {rule}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
