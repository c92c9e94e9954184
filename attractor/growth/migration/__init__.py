"""Changes of recorded state: forward, back, and proved."""
