"""A program on a terminal of its own, for tests: type to it, wait for what it prints."""
import os
import pty
import re
import select
import signal
import struct
import fcntl
import termios
import time


class Terminal:
    def __init__(self, arguments, environment=None, columns=80):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.modes = termios.tcgetattr(self.slave)
        self.screen, self.seen = b"", 0
        self.process = os.fork()
        if self.process == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for descriptor in range(3):
                os.dup2(self.slave, descriptor)
            os.closerange(3, 64)
            os.execve(arguments[0], arguments, dict(os.environ, TERM="xterm", **(environment or {})))

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            try:
                self.screen += os.read(self.master, 65536)
            except OSError:
                return False
        return True

    def wait(self, pattern, seconds=30):
        """What was printed since the last wait, up to the end of `pattern`."""
        end = time.monotonic() + seconds
        while True:
            found = re.search(pattern.encode(), self.screen[self.seen:], re.S)
            if found:
                text = self.screen[self.seen:self.seen + found.end()]
                self.seen += found.end()
                return text.decode(errors="replace")
            if time.monotonic() > end or not self.read(0.1):
                raise AssertionError(f"no {pattern!r} in {self.screen[self.seen:]!r}")

    def end(self, seconds=30):
        """Exit status, or the negative number of the signal."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(0.02)
            process, status = os.waitpid(self.process, os.WNOHANG)
            if process:
                while select.select([self.master], [], [], 0.05)[0] and self.read(0):
                    pass
                return os.waitstatus_to_exitcode(status)
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        raise AssertionError(f"still running; printed {self.screen[self.seen:]!r}")

    def modes_restored(self):
        return termios.tcgetattr(self.slave)[:4] == self.modes[:4]

    def close(self):
        os.close(self.master)
        os.close(self.slave)
