"""Settings with which vLLM does not start, whatever the GPU's memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valuegen.checks.inkeys import in_keys, key_of
from valuegen.checks.model import Found, Rule, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPRECATED = "allow-deprecated-quantization"


def _look(subject: Subject) -> Iterator[Found]:
    for result in subject.results:
        if result.verdict == "invalid":
            for reason in result.reasons:
                yield Found(key_of(reason.message), in_keys(reason.message), in_keys(reason.fix))
    quantization = subject.model.config.quantization if subject.model else None
    if quantization is None or not quantization.needs_deprecated_flag:
        return
    allowed = subject.last(DEPRECATED)
    if allowed is None or allowed.value is not True:
        yield Found(
            ("args", DEPRECATED),
            f"vLLM starts {quantization.method} checkpoints only with --{DEPRECATED}",
            f"set args.{DEPRECATED}: true",
        )


RULE = Rule(
    id="refused",
    sentence="vLLM starts with these settings for this model and GPU.",
    fix="change the setting that vLLM refuses",
    look=_look,
)
