"""Missions: names for runs with an aim and a plan, which work without a person."""
