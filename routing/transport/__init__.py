"""The only way out: HTTP that reaches no private address which no operator listed, and follows no redirect."""
