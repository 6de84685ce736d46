"""The wire formats callers and models speak. Pure codecs, both directions; the registry knows each by its name."""
