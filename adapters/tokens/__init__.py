"""JSON Web Tokens (RFC 7519): made, and checked by keys of our own or of an issuer."""
