import importlib
import platform

import pytest

from stomp import colours


@pytest.mark.parametrize(("system", "green"), [("Windows", ""), ("Linux", "\33[32m")])
def test_windows_has_no_colours(monkeypatch, system, green):
    monkeypatch.setattr(platform, "system", lambda: system)
    importlib.reload(colours)
    assert green == colours.GREEN
    assert bool(colours.RED) == bool(colours.BOLD) == bool(colours.NO_COLOUR) == bool(green)
    assert colours.NO_COLOR == colours.NO_COLOUR
