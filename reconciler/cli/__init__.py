"""The `overlay` command: arguments, one operation, one view each."""
