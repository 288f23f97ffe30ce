"""The command `stomp`.

`registry` lists the commands, `app` runs one of them. A command is a module with `configure` and `run`. Where the
broker is, who we are and how TLS is done is read by `options` and `connection` for all of them; what an error is in
words and in numbers is said by `status`; all output goes through `terminal`.

Rules of this folder: a module is imported when its command runs, and not before; data goes to standard output and
talk to standard error; what comes from the network reaches a terminal only through `terminal.clean`.
"""
