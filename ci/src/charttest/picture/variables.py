"""The variables of a dashboard: what is chosen, and how it stands in a query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from charttest.errors import CharttestError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from charttest.picture.dashboard import Variable

ALL = "All"
# $name, or ${name}; a double $ of a regular expression's end is none.
_NAMED = re.compile(r"\$(?:(?P<plain>[A-Za-z]\w*)|\{(?P<braced>[^}]*)\})")
# What Grafana escapes in a value that a regular expression takes (prometheusSpecialRegexEscape).
_SPECIAL = re.compile(r"[$^*{}\[\]+?.()|]")


@dataclass(frozen=True)
class Choice:
    """The chosen values of a variable: as the reader sees them, and in a query."""

    told: str
    query: str


def choose(
    variables: Sequence[Variable],
    given: Mapping[str, Sequence[str]],
    values: Callable[[str, str], list[str]],
) -> dict[str, Choice]:
    """What each variable stands for: what is given, else what Grafana shows first, which is all or the first value.

    `values` tells the values of a label (the second) of series (the first). UsageError for a name or a value that
    is not there.
    """
    names = [variable.name for variable in variables]
    for name in given:
        if name not in names:
            raise UsageError(f"variable {name}: is not there", f"there are {', '.join(names) or 'none'}")
    chosen: dict[str, Choice] = {}
    for variable in variables:
        try:
            offered = list(variable.options)
            if variable.series:
                offered = sorted(values(filled(variable.series, chosen), variable.label))
            chosen[variable.name] = _choice(variable, list(given.get(variable.name, ())), offered)
        except CharttestError as error:
            raise type(error)(f"variable {variable.name}: {error.message}", error.fix) from error
    return chosen


def filled(query: str, chosen: Mapping[str, Choice]) -> str:
    """The query with every variable in it; UsageError for one that is not there."""

    def value(found: re.Match[str]) -> str:
        name = found["plain"] or found["braced"]
        if name not in chosen:
            raise UsageError(
                f"{found[0]} in {query}: is no variable", f"there are {', '.join(chosen) or 'none'}"
            )
        return chosen[name].query

    return _NAMED.sub(value, query)


def _choice(variable: Variable, given: list[str], offered: list[str]) -> Choice:
    if not given and variable.every is None:
        if not offered:
            raise UsageError(
                f"{variable.series} has no {variable.label} to choose from",
                "take a time in which an engine was scraped, or other values of the variables before it",
            )
        given = offered[:1]
    if variable.every is not None and given in ([], [ALL]):
        return Choice(ALL, variable.every)
    for value in given:
        if value not in offered:
            raise UsageError(f"{value}: there is no such value", f"there are {', '.join(offered) or 'none'}")
    if len(given) > 1 and not variable.several:
        raise UsageError(f"{', '.join(given)}: it takes one value", "give it once")
    if not variable.several and variable.every is None:
        return Choice(given[0], given[0].replace("\\", "\\\\"))
    escaped = [_SPECIAL.sub(r"\\\\\g<0>", value.replace("\\", 4 * "\\")) for value in given]
    return Choice(", ".join(given), escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})")
