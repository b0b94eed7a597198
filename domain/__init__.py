"""The domain model in plain Python: users, the rules of their attributes, and the errors."""
