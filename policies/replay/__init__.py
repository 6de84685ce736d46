"""Replays: recorded decisions made again under another bundle, or with models taken away, and what would be different."""
