"""Owns what a route asks beside its calls: which call is a shadow run of which, when one may start, and what was found of it."""
