"""What was measured, as plain values for tables and pages."""
