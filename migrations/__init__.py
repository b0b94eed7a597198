"""The migrations of the database's schema. `roster db` runs them."""
