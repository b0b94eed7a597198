"""A store in memory, for tests and demonstrations. It behaves like the databases."""
