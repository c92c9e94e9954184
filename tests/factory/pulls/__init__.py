"""Tests of the actions on runs."""
