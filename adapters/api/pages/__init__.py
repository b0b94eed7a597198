"""HTML pages of the API."""
