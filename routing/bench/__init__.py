"""Benchmarks of the whole: everything on, every process's CPU from /proc, beside a bare proxy in the same run."""
