import logging

import pytest

import stomp.log


@pytest.fixture(autouse=True)
def as_before():
    logger = logging.getLogger("stomp.py")
    state = logger.level, list(logger.handlers), stomp.log.verbose
    yield
    logger.setLevel(state[0])
    logger.handlers[:] = state[1]
    stomp.log.verbose = state[2]
    stomp.log._to_stdout = None


def test_log_is_the_logger_stomp_py(caplog):
    stomp.log.setLevel(stomp.log.DEBUG)
    assert stomp.log.isEnabledFor(stomp.log.INFO)
    for say in (stomp.log.debug, stomp.log.info, stomp.log.warning, stomp.log.error, stomp.log.exception):
        say("words %s", 1)
    assert [record.name for record in caplog.records] == ["stomp.py"] * 5
    assert stomp.log.level == logging.DEBUG


def test_logging_attribute_is_the_standard_module():
    assert stomp.log.getLogger("stomp.py") is getattr(stomp.log, "__logger")
    assert stomp.log.StreamHandler is logging.StreamHandler
    with pytest.raises(AttributeError):
        stomp.log.nothing  # noqa: B018
    with pytest.raises(AttributeError):
        stomp.log.__nothing__  # noqa: B018


@pytest.mark.parametrize("verbose", [True, False])
def test_log_to_stdout_prints_each_line_once(capsys, verbose):
    stomp.log.log_to_stdout(not verbose)
    stomp.log.log_to_stdout(verbose)
    stomp.log.info("words")
    stomp.log.debug("details")
    assert stomp.log.verbose is verbose
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == (["words", "details"] if verbose else ["words"])
