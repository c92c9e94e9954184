"""Tests of files that are written into the projects of users."""
