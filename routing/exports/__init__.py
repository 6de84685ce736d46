"""Figures as files: CSV, XLSX, JSON and FOCUS, made by a job in constant memory, there to be fetched for a day."""
