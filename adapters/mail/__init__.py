"""Emails: their templates, their format, and the ways to send them."""
