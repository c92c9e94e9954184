"""Simulations of a plan, before it is built and before it is deployed."""
