"""Every generic test gets every row of the table."""

import pytest
from softmax_cases import CASES, Built, build


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def built(request: pytest.FixtureRequest) -> Built:
    return build(request.param)
