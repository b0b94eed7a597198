"""Use cases, and the ports that they need. Imports only the domain."""
