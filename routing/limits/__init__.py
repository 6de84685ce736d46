"""Breakers per model and concurrency limits per provider, shared by all workers in Redis. Losing Redis loses nothing."""
