"""The ways a run ends early: the input cannot be used, or the user has had enough."""


class InputError(Exception):
    """Input that cannot be used, told in one line: what was given, what is needed, how to fix it.

    Args:
        given: what was found, with its name and value ("mask.mp4 has 40 frames").
        needed: what the program needs instead ("shot.mp4 has 60, and each needs a mask").
        fix: what the user can do about it ("give a mask of 60 frames, or one image for all").
    """

    def __init__(self, given: str, needed: str, fix: str):
        super().__init__("; ".join(" ".join(part.split()) for part in (given, needed, fix)))
        self.given, self.needed, self.fix = given, needed, fix

    def __reduce__(self) -> tuple:
        """An error may come from another process."""
        return type(self), (self.given, self.needed, self.fix)


class Undefined(InputError):
    """What a metric says of a clip on which there is nothing for it to measure."""


class Cancelled(Exception):
    """Raised by an `on_step` callback to end the run."""


class Unread(Cancelled):
    """Whoever was to read what is written to a pipe has gone."""
