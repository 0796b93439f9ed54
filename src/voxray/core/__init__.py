"""The vocabulary every stage shares: geometry, records, specs, errors, files."""
