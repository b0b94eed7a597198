"""Processes: the only place that knows every room."""
