"""JSON:API 1.1 for any resource type, without a server, a database or an aggregate."""
