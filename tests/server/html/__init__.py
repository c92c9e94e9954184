"""Tests of the frame of the pages."""
