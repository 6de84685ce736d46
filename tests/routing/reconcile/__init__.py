"""Whether the money is right."""
