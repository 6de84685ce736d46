"""Calls and their attempts: the tables, the states, and the commands that move them. Owns no money (see `routing.ledger`)."""
