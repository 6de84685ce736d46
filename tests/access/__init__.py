"""Who may reach what: every page and every API operation with every role, and with the other tenant's objects.

`pages.txt` and `operations.txt` are the table. `python -m tests.access` prints it as it is observed, to be judged by a person.
"""
