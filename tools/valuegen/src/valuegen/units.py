"""Units of memory, and rounding up: integers in, integers out."""

MIB = 1024**2
GIB = 1024**3


def ceil_div(value: int, by: int) -> int:
    """`value` / `by`, rounded up."""
    return -(-value // by)


def round_up(value: int, step: int) -> int:
    """The smallest multiple of `step` that is not below `value`."""
    return ceil_div(value, step) * step
