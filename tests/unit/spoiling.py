"""Ways in which a disk spoils a file, for the tests of what is done about it."""


def flip(path):
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def truncate(path):
    """Cut off the second half."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def empty(path):
    path.write_bytes(b"")


def zero(path):
    """As many zeros: after a power cut, a name and a length that were written before the contents."""
    path.write_bytes(bytes(path.stat().st_size))


SPOILT = (flip, truncate, empty, zero)
