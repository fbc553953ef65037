"""Units of memory and of counts, and rounding up: integers out."""

import re

MIB = 1024**2
GIB = 1024**3
DECIMAL = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
BINARY = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def human_int(text: str) -> int:
    """A count as vLLM reads it: 8192, 8k (8000), 8K (8192), 1.5k; ValueError if it is none, or below 1."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([kKmMgGtT]?)", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no number such as 8192, 8k (8000) or 8K (8192)")
    number, unit = match[1], match[2]
    if "." in number and unit not in DECIMAL:
        raise ValueError(f"{text!r} has decimals, which only k, m, g and t (powers of 1000) allow")
    count = round(float(number) * DECIMAL[unit]) if "." in number else int(number)
    if "." not in number:
        count *= {**DECIMAL, **BINARY}.get(unit, 1)
    if count < 1:
        raise ValueError(f"{text!r} is not at least 1")
    return count


def ceil_div(value: int, by: int) -> int:
    """`value` / `by`, rounded up."""
    return -(-value // by)


def round_up(value: int, step: int) -> int:
    """The smallest multiple of `step` that is not below `value`."""
    return ceil_div(value, step) * step
