"""Public prices."""
