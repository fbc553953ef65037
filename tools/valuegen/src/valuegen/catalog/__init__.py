"""Facts that ship with the package: GPUs and models, each entry with its source."""
