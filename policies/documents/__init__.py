"""Owns the documents: one class per kind, read from YAML with file, line and column, kept as canonical JSON."""
