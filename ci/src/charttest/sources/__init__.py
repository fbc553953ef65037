"""What a release of vLLM exports and accepts, read from its source, and how the tables here differ from it."""
