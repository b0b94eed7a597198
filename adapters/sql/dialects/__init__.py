"""The properties of each database: connections, deadlines, transactions and bulk inserts."""
