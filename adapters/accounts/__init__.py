"""Accounts over HTTP: login, sessions, and the users' own data, as JSON:API."""
