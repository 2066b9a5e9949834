"""When an explorer draws: at once for a line of code, and for the newest wish of a browser."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from IPython import get_ipython

from slae_lib.support.errors import LabError

PATIENCE = 0.02  # seconds in which further messages of the browser are gathered


class Quiet(threading.local):
    """Whether a thread changes controls by itself; another one still brings the browser's keys.

    A kernel may answer the browser in two threads: one of them draws while the other takes the
    next key, which has to count.
    """

    now = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Be quiet inside of ``with``."""
        before, self.now = self.now, True
        try:
            yield
        finally:
            self.now = before


class Updates:
    """Calls ``update`` when something was changed, and says what went wrong.

    A change that a cell makes takes effect before the cell goes on, and its errors are the cell's.
    A change that comes from the browser is drawn a moment later, all changes that came meanwhile
    in one go: while a key is held down or an update is slow, stale ones are never drawn.

    Args:
        update: draws what is wanted now.
        say: shows one sentence.
    """

    def __init__(self, update: Callable[[], None], say: Callable[[str], None]) -> None:
        self.count = 0
        self._update = update
        self._say = say
        self.paused = Quiet()  # `with updates.paused():` sets controls without drawing
        self._waiting = False
        self._lock = threading.RLock()  # the browser's messages may come in a thread of their own

    def request(self, _change: Any = None) -> None:
        """Take note of a change; to be observed on a control's ``value``."""
        if self.paused.now:
            return
        loop = _loop_of_browser_message()
        if loop is None:
            self.now()
        elif not self._waiting:
            self._waiting = True
            loop.call_later(PATIENCE, self.settle)

    def settle(self) -> None:
        """Draw now what is waiting, if anything is, and wait for a drawing under way."""
        with self._lock:
            if self._waiting:
                self.now()

    def now(self) -> None:
        """Draw now."""
        with self._lock:
            self._waiting = False
            self.count += 1
            self.guarded(self._update)

    def guarded(self, work: Callable[[], None]) -> None:
        """Do ``work``; an expected error becomes a sentence, another one also goes on its way."""
        try:
            work()
        except LabError as problem:
            self._say(str(problem))
        except Exception as fault:
            self._say(
                f"This is a fault in the explorer and not yours ({type(fault).__name__}: {fault}); "
                "please report it. What is shown may be stale."
            )
            raise


def _loop_of_browser_message() -> asyncio.AbstractEventLoop | None:
    """Return the event loop if this is the answer to a message of a widget's front end."""
    parent = getattr(get_ipython(), "parent_header", None) or {}
    if parent.get("header", parent).get("msg_type") != "comm_msg":
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
