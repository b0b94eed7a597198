"""Accounts: login, sessions, passwords and emailed links."""
