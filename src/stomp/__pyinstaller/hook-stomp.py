"""PyInstaller's hook for the package `stomp`."""

from stomp.__pyinstaller import hidden_imports

hiddenimports = hidden_imports()
