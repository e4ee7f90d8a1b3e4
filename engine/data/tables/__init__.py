"""Tables: one reader for every file that people have, and the same file written back with answers."""

from engine.data.tables.reader import KINDS, MAX_COLUMNS, MAX_MEGABYTES, MAX_ROWS, read_table
from engine.data.tables.table import Reading, Table, as_string

__all__ = ["KINDS", "MAX_COLUMNS", "MAX_MEGABYTES", "MAX_ROWS", "Reading", "Table", "as_string", "read_table"]
