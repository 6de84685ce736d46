"""How a plan is walked: one file for each strategy. A strategy sees candidates and outcomes, never a provider."""
