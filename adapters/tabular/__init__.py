"""Readers and writers of CSV and JSON Lines. Memory does not grow with the length of a file."""
