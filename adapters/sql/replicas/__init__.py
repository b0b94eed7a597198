"""Reads from the replicas of a PostgreSQL server (docs/operations/replicas.md)."""
