"""Owns a witness (C2SP tlog-witness): it remembers the last head of each log and cosigns what extends it. No database."""
