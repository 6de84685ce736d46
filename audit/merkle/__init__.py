"""PURE: canonical JSON, the RFC 6962 tree, proofs, tiles and signed notes. No framework, no clock, no database."""
