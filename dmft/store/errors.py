"""What goes wrong with a folder of results."""


class StoreError(Exception):
    """A store cannot be made, opened or continued; the message says what to do."""


class UnsoundError(StoreError):
    """A shard is damaged, or not one of its folder.

    Attributes
    ----------
    reason : str
        What is wrong with it.
    worthless : bool
        Whether nobody can read it, so that it may be deleted.
    """

    def __init__(self, path: object, reason: str, worthless: bool = False) -> None:
        super().__init__(f"{path} {reason}; resume the run to compute it again")
        self.path, self.reason, self.worthless = path, reason, worthless

    def __reduce__(self) -> tuple[type, tuple[object, str, bool]]:
        return type(self), (self.path, self.reason, self.worthless)
