"""Money: one window per budget and period, one posting per attempt. A reservation is columns of the attempt."""
