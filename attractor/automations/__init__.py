"""Automations: pipelines that start by a schedule, a request, a promotion, a ticket or an issue."""
