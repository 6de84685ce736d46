"""Requests to `/api/v1/` that came twice: what makes something and carries an `Idempotency-Key` makes it once."""
