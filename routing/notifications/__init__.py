"""Notification documents at work: what happened becomes deliveries, and deliveries are sent, again where they fail.

Owns `routing_delivery`, `routing_notified`, `routing_budget_mark` and `routing_forecast_mark`. No content of calls comes here:
ids, words of documents, links (docs/adr/0030).
"""
