"""The wire format of OpenAI's chat completions, in both directions."""
