"""What happens: calls, attempts, money, providers, the walk from a caller to a model and back."""
