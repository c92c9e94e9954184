"""Tests of the server's part of the fleet."""
