"""The dossier of one use case and one period: what was in force, what changed, who looked, what was missing."""
