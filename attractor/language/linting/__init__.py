"""Lint rules: the interface of a rule, ignore comments, and documentation pages."""
