"""The sandbox as an HTTP server with its own small encoders. Imports neither dialects nor providers."""
