"""Roster's resources as JSON:API declares them."""
