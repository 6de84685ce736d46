"""Owns what is kept and what is forgotten: legal holds, erasures and their repetition after a restore, pruned months."""
