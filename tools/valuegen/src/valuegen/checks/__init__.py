"""The rules that a values file is held to: one small module each, with an id, a sentence and a fix."""

from __future__ import annotations

from valuegen.checks import (
    cache_size,
    contradiction,
    does_not_fit,
    flag_conflict,
    flag_value,
    gpu_count,
    gpus_per_node,
    grace_period,
    memory_limit,
    other_engine,
    owned_flag,
    refused,
    resource,
    scaling_limits,
    scaling_target,
    schema,
    shared_memory,
    startup_budget,
    uncounted_flag,
    unknown_flag,
    unknown_gpu,
    unknown_model,
    unknown_version,
    variant_cost,
)
from valuegen.checks.model import Finding, Found, Level, Rule, Subject

RULES: tuple[Rule, ...] = tuple(
    module.RULE
    for module in (
        schema,
        other_engine,
        unknown_model,
        unknown_gpu,
        unknown_version,
        uncounted_flag,
        does_not_fit,
        refused,
        unknown_flag,
        flag_value,
        owned_flag,
        contradiction,
        flag_conflict,
        resource,
        gpu_count,
        gpus_per_node,
        shared_memory,
        memory_limit,
        cache_size,
        startup_budget,
        grace_period,
        scaling_target,
        scaling_limits,
        variant_cost,
    )
)

__all__ = ["RULES", "Finding", "Found", "Level", "Rule", "Subject"]
