"""Actors: names for chains of runs, with an inbox; and what of them needs a person."""
