"""Automations: pipelines that start by a schedule, a request, a promotion or a ticket."""
