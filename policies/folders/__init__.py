"""Policies kept in a folder: reading it with its values, laying it out, planning it against what is published, handing it in."""
