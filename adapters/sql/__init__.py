"""The directory in a database, by SQLAlchemy Core: SQLite, PostgreSQL and MariaDB."""
