"""The settings of a command: options, environment, contexts and passwords."""
