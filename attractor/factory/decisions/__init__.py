"""What a person decides about a run: decision, promotion, rebase and roll-back."""
