"""Documents as they are published, the bundles compiled from them, and the one way to publish."""
