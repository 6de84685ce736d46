"""What can be proved: the log, the vault. Knows nobody; everybody writes to it."""
