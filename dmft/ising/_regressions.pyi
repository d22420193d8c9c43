# The functions of the compiled module take and return what its .pyx file says; they are not typed one by one.
from typing import Any

def __getattr__(name: str) -> Any: ...
