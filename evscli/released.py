"""The end of what holds Ctrl-C back in the clean process that children are forks of.

It is the last module that the process imports. One that came meanwhile is dropped, and children
handle Ctrl-C as ever.
"""

from __future__ import annotations

import signal

before = signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
signal.signal(signal.SIGINT, before)
