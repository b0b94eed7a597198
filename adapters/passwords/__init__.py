"""Hashes passwords, verifies imported hashes, and estimates how hard passwords are to guess."""
