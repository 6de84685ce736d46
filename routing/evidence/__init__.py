"""Evidence bundles: who may ask for which, what belongs beside the log's entries, and the job that makes them for the API."""
