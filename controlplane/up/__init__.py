"""One installation on one machine: `manage.py up`, and what stops, finds and removes it again."""
