"""Saved views of the log: a name and a filter, kept by one member, opened by whoever may read the log and has the link."""
