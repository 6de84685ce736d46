"""Owns the forms of documents: a kind's fields as controls, and posted values put into the author's own YAML. Pure."""
