"""Notifies people of questions that wait for an answer."""
