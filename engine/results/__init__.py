"""Results: measured figures as plain values for tables and pages."""
