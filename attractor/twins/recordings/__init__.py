"""Recordings of exchanges with real servers, without API keys."""
