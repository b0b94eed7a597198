"""Compares the speed of Roster with the limits of Flask and PostgreSQL, and with its peers."""
