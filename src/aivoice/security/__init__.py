"""Keys, people, permissions, records of what was done, encryption and redaction. See docs/security.md."""
