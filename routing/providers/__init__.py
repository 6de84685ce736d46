"""Adapters to models: one small interface, the official SDKs behind it, and the guarded way out."""
