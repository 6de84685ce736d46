"""What is allowed: documents, the engine, people and keys, bundles, stops, decisions."""
