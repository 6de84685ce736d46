"""The command line of the shell: up, down, reset."""
