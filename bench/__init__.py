"""How fast Roster is beside what Flask and PostgreSQL allow, and beside its peers."""
