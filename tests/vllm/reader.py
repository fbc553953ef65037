"""Reads command lines as `vllm serve` does; run by the environment that has vLLM, not by pytest.

usage: python reader.py [--layout] < LINES   (JSON: a list of lists of words, the model first)

Prints one JSON object a line: {} or {"error": …}; with --layout how the line's pod is laid out in its group.
"""

import json
import sys

from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.entrypoints.cli.serve import ServeSubcommand
from vllm.utils.argparse_utils import FlexibleArgumentParser

KEYS = (
    "world_size",
    "data_parallel_rank",
    "data_parallel_size_local",
    "nnodes_within_dp",
    "node_rank_within_dp",
    "data_parallel_hybrid_lb",
    "data_parallel_external_lb",
)


def read(parser: FlexibleArgumentParser, words: list[str], layout: bool) -> dict[str, object]:
    """Return what vLLM says of one command line."""
    try:
        args = parser.parse_args(["serve", *words])
        if not layout:
            return {}
        args.model = args.model_tag
        config = AsyncEngineArgs.from_cli_args(args).create_engine_config(headless=args.headless)
        return {key: getattr(config.parallel_config, key) for key in KEYS}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, vLLM would not start
        return {"error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    root = FlexibleArgumentParser()
    ServeSubcommand().subparser_init(root.add_subparsers(dest="subparser"))
    for line in json.load(sys.stdin):
        sys.stdout.write(json.dumps(read(root, line, "--layout" in sys.argv)) + "\n")
