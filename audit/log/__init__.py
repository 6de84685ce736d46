"""Owns the entries of what happened, their order, and the signed tree over them."""
