"""Months that close: statements that stay as they were signed for, and adjustments for what became known later."""
