"""Owns the verdict on a shadow run: whether its answer is the one that the caller got."""
