"""A change is judged on the same examples every time; elsewhere hypothesis looks for new ones."""

import os
import signal

from hypothesis import settings

collect_ignore = ["data"]  # what made the data is run by hand

settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

# A shell starts what it puts in the background with SIGINT ignored, which runs keep: tests send it to runs that do not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers():
    """Return one worker more than there are cores: the tests of ranks, kills and pipes mostly wait."""
    return (os.cpu_count() or 1) + 1
