"""Owns content: encrypted under keys that lie outside PostgreSQL, erased by destroying one of them."""
