"""The routing app under `/api/v1/`: the same guards and queries as the pages, as JSON."""
