"""Service twins: mock servers of external services, declared in TOML."""
