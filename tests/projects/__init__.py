"""Tests of files that Attractor writes into the projects of users."""
