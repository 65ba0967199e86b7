"""The bytes of an image file, however it is decoded."""

import errno
from pathlib import Path

from cleanplate.errors import InputError

MOST_BYTES = 2**31  # of an image file: what the largest picture has unpacked, and more


def read_image_bytes(path: Path) -> bytes:
    """All of an image file.

    Raises:
        InputError: no file, one that may not be read, or one of absurd size.
    """
    try:
        if path.exists() and not path.is_file():
            raise OSError(errno.EINVAL, "it is a folder, a pipe or a device")
        if path.stat().st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, f"it has more than {MOST_BYTES / 1e9:g} GB")
        return path.read_bytes()
    except OSError as error:
        given = f"{path} cannot be read ({error.strerror})"
        raise InputError(given, "an image is needed", "name an image file that may be read") from None


def broken_image(path: Path, what: str) -> InputError:
    """What to say of an image that cannot be decoded."""
    return InputError(f"{path} cannot be read ({what})", "a whole image is needed", "export or copy it again")
