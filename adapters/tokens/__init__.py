"""Signs JSON Web Tokens (RFC 7519), and verifies them by a secret or the keys of an issuer."""
