"""The command line of the shell."""
