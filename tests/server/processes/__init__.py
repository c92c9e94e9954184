"""Tests of the processes of runs."""
