"""How a refusal is held against the words that it must have."""

import re
from collections.abc import Callable, Sequence

import pytest

import fastinfluence as fi


def check(call: Callable[[], object], words: Sequence[str]) -> None:
    """Fail unless the call is refused by one short error that holds every word."""
    with pytest.raises(fi.FastInfluenceError) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert re.search(re.escape(word), message), f"{word!r} is missing in: {message}"
    assert len(message) < 400
