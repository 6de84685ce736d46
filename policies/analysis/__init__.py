"""PURE. Owns what can be said of a bundle without a call: odd rules, what nobody reaches, boundary cases, tests and coverage."""
