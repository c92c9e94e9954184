"""Turns desires and documents into a specification (ruling G4)."""
