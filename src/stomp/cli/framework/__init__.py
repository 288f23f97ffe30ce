"""The parts that all commands share: parser, registry of commands, terminal, signals and exit statuses."""
