"""Verdicts on shadow runs."""
