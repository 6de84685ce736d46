"""The wire format of OpenAI's responses, in both directions."""
