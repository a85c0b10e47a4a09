"""Storage: the catalog, the tables and their records, in DuckDB."""
