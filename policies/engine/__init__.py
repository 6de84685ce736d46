"""Owns the decision: pure functions from a bundle and facts to a plan, its price, and the rules that made it so."""
