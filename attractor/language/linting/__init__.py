"""Lint rules: what a rule is, how it is silenced, and how its fixes are applied."""
