"""Schedules and penalties."""
