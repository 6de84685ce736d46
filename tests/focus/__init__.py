"""FOCUS exports, held against the two validators that are public: `python -m tests.focus`."""
