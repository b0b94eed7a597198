"""The Flask application around the inbound adapters, independent of resources and formats."""
