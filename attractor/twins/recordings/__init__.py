"""Recordings of exchanges with real servers, without keys."""
