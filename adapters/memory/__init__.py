"""The promises of a store kept in a dict: for tests, demonstrations and reading."""
