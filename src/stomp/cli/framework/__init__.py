"""What every command is built from: parsing, the registry of commands, terminal, signals, exit statuses."""
