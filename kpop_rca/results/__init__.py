"""What a study found, as it is read: metrics.json, tables, the paper beside it, pages."""
