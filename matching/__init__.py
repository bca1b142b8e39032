"""Bank-enterprise matching: what a match is and how it is ranked."""
