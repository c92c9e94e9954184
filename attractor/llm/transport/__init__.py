"""Carries requests to providers over HTTP and reads what they send back."""
