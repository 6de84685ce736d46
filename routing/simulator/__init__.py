"""A deterministic stand-in for a model, behind the sandbox provider and the sandbox upstream. Pure."""
