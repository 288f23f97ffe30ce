"""Where the settings of a command come from: options, the environment, contexts, passwords."""
