"""The wire format of Anthropic's messages, in both directions."""
