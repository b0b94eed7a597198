"""The OpenAPI description, built from the resources' declarations."""
