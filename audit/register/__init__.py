"""Owns the checkpoint register: the last signed head, kept apart from the log's database, moved by compare-and-swap."""
