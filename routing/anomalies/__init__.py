"""Spend that breaks its pattern within ten minutes: found once, told to whoever asked, and capped by one click that expires."""
