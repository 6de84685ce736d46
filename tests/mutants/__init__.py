"""Patches that each remove one guard of an invariant, and the test that must catch it: `python -m tests.mutants`."""
