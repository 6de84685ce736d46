"""Who: people, the tenants and teams they belong to, API keys and personal tokens."""
