"""Executes one stage: visits, attempts, files, patches."""
