"""JSON:API 1.1 for any resource, as plain values: no server, no database, no aggregate."""
