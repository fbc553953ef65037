"""Computes what vLLM needs on a GPU and writes the values of the vllm-stack chart."""
