"""Shadow runs: how they start, what stops them, what is recorded of them."""
