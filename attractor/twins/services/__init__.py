"""Service twins: stand-ins for other people's services, declared in TOML."""
