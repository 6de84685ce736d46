"""The demo: Acme Insurance Group, its people, its documents as YAML, and calls that keep it alive."""
