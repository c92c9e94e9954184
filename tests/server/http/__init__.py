"""Tests of the parts of HTTP that all resources share."""
