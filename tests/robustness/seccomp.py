"""Filters in the kernel for this process (seccomp, BPF): no internet sockets; files that cannot be read any more."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Sequence

ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
READS = {"x86_64": (0, 17, 19, 295), "aarch64": (63, 67, 65, 69)}  # read, pread64, readv, preadv
AF_INET, AF_INET6 = 2, 10

_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_SET_FILTER, _ALL_THREADS = 1, 1
_SECCOMP = {"x86_64": 317, "aarch64": 277}


def no_internet() -> None:
    """End this process at the first internet socket that it, or a library, asks for."""
    _install([SOCKET[platform.machine()]], (AF_INET, AF_INET6), KILL)


def unreadable(descriptors: Sequence[int]) -> None:
    """Let every read from these open files fail as a broken disk does, in all threads."""
    _install(READS[platform.machine()], descriptors, ERROR | errno.EIO)


def _install(calls: Sequence[int], first_arguments: Sequence[int], verdict: int) -> None:
    """Give a verdict on system calls whose first argument is one of those; OSError if that is not allowed."""

    def op(code: int, on_true: int, on_false: int, value: int) -> bytes:
        return struct.pack("<HBBI", code, on_true, on_false, value)

    to_arguments, n = len(calls), len(first_arguments)
    program = [op(_LOAD, 0, 0, _ARCHITECTURE), op(_EQUAL, 0, to_arguments + 1, ARCHITECTURES[platform.machine()])]
    program += [op(_LOAD, 0, 0, _NUMBER)]
    program += [op(_EQUAL, to_arguments - i, 0, call) for i, call in enumerate(calls)]
    program += [op(_RETURN, 0, 0, ALLOW), op(_LOAD, 0, 0, _FIRST_ARGUMENT)]
    program += [op(_EQUAL, n - i, 0, value) for i, value in enumerate(first_arguments)]
    program += [op(_RETURN, 0, 0, ALLOW), op(_RETURN, 0, 0, verdict)]
    code = ctypes.create_string_buffer(b"".join(program))
    described = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.syscall(_SECCOMP[platform.machine()], _SET_FILTER, _ALL_THREADS, described):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
