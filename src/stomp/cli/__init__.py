"""The command `stomp`.

`framework.registry` lists the commands, and `app` runs one of them. A command is a module with `configure` and `run`.
`config.options` and `config.settings` read the broker's address, the credentials and the TLS settings for all
commands. `framework.exit_status` maps an error to its text and exit status. All output goes through
`framework.terminal`.

Rules of this package: a module is imported only when its command runs. Data goes to standard output, messages for the
user go to standard error. Text from the network is written to a terminal only through `framework.terminal.clean`.
"""
