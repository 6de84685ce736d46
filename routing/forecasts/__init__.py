"""What budgets will have spent at the end of their period: spend by day, a stated method, and how far it was off before.

Owns `routing_budget_day` and `routing_forecast`. A job makes both; pages read them. `method.py` is pure.
"""
