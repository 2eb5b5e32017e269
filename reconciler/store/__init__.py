"""The database: SQLite by default, PostgreSQL for more. The only package that knows SQLAlchemy; rows never leave it."""
