"""The command line of policies."""
