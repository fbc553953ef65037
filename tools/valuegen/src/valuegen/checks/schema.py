"""The chart's schema: types, ranges, and keys that it does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valuegen.catalog.names import nearest
from valuegen.checks.model import Found, Rule
from valuegen.values import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 160  # characters of a message of the schema's; a value in it can be of any length


def violations(data: dict[str, Any]) -> Iterator[Found]:
    """What the chart's schema refuses, by the whole path."""
    import jsonschema  # noqa: PLC0415  (not needed by fit and plan)

    errors = jsonschema.Draft7Validator(schema()).iter_errors(data)
    for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path]):
        path = tuple(str(part) for part in error.absolute_path)
        if error.validator != "additionalProperties" or error.validator_value is not False:
            text = " ".join(error.message.split())
            text = text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
            yield Found(path, text, RULE.fix)
            continue
        known = error.schema.get("properties", {})
        for key in error.instance:
            if key not in known and not (not path and key.startswith("x-")):
                close = nearest(key, known)
                fix = f"did you mean {close}?" if close else f"known here: {', '.join(sorted(known))}"
                yield Found((*path, key), "the chart has no such key", fix)


RULE = Rule(
    id="schema",
    sentence="The chart's schema accepts the values.",
    fix="correct it: the chart refuses it with the same words; its values.yaml explains every key",
    look=None,
)
