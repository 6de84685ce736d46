"""Figures and stories for people, over calls, money and the log: one call explained, spend by day, balances."""
