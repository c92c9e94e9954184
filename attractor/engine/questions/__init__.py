"""Questions to people and their answers: values and matching."""
