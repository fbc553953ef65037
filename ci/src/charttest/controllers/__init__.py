"""Real controllers that charts rely on, as processes beside a local cluster."""
