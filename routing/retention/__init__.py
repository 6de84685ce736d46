"""Owns how long things are kept, by the documents in force, and what is known of a data subject. Holds are audit's."""
