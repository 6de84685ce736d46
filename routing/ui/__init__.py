"""Pages of the routing app: thin views over the same `access.py` and `read.py` that the API uses."""
