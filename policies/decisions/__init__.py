"""Decision records: what was decided, from which facts, under which revision. Written once, by routing's own transactions."""
