"""The command line of `vllm serve`: which flags there are, and what words in a values file mean."""
