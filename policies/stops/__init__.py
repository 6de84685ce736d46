"""Kill switches: a model, provider, route, tenant, key, or everything, off from the next commit on."""
