"""Hypothesis strategies of the problems in words."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from properties.problems import LAYOUTS, SMOOTH, Words

FAR = 498
"""Powers of two up to about 1e150."""
WEIGHTS = ("none", "real", "counts", "some zero", "wide")


def powers(far: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Scales of the columns, in powers of two."""
    return st.lists(st.integers(-far, far), min_size=1, max_size=5).map(tuple)


@st.composite
def words(draw: st.DrawFn, far: int = 0, heavy: int = 0, **fixed: Any) -> Words:
    """Problems in words; ``far`` and ``heavy`` bound the powers of two of columns and weights."""
    d = draw(st.integers(1, 6))
    single = draw(st.booleans())
    known: dict[str, Any] = {
        "seed": draw(st.integers(0, 2**32 - 1)),
        "loss": draw(st.sampled_from(SMOOTH)),
        "n": draw(st.integers(12, 40)),
        "d": d,
        "reduction": draw(st.sampled_from(("mean", "sum"))),
        "fit_intercept": draw(st.booleans()),
        "penalize_intercept": draw(st.booleans()),
        "l2": tuple(draw(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=d))),
        "weights": draw(st.sampled_from(WEIGHTS)),
        "offset": draw(st.booleans()),
        "powers": draw(powers(min(far, 60) if single else far)),
        "heavy": draw(st.integers(-heavy, heavy)),
        "layout": draw(st.sampled_from(tuple(LAYOUTS))),
        "dtype": "float32" if single else "float64",
        "copied": draw(st.booleans()),
        "zeros": draw(st.sampled_from((0.0, 0.3, 0.8))),
    }
    return Words(**{**known, **fixed})


def fewer(share: int) -> settings:
    """Settings for a property that is dear to try: this share of the profile's examples."""
    return settings(max_examples=max(2, settings.default.max_examples // share))
