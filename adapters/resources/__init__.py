"""The declarations of Roster's resources in JSON:API, and their URLs."""
