"""One module a command or command group: arguments to operation to view."""
