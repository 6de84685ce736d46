"""PURE. Owns what a LiteLLM proxy configuration means here, and the list of what of it does not carry over."""
