"""pytest's own fixture for testing plugins; the fixtures for charts come from charttest's plugin."""

pytest_plugins = ["pytester"]
