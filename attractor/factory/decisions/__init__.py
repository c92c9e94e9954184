"""Decisions of a person about a run: approval, promotion, rebase and roll-back."""
