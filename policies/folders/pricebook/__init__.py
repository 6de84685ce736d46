"""Public prices: a `genai-prices` snapshot read, matched with published Models, and what differs proposed from today on."""
