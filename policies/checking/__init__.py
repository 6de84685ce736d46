"""The type check of conditions in a child process, so that no process of ours loads the CEL checker (50 MB, native)."""
