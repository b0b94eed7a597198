"""What each database needs."""
