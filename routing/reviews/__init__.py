"""Owns review cases: held calls that wait for a person, the people's decisions, and what happens when nobody decides."""
