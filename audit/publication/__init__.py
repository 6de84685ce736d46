"""Owns the published log: C2SP tiles, entries and checkpoint as plain files, what witnesses said of it, and how that stands."""
