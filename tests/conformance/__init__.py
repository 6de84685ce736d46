"""Vector suites, run from any folder laid out like the published ones."""
