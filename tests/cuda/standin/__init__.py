"""CuPy's part of the library, played by NumPy: as strict as CuPy, and counting what crosses.

``installed()`` puts modules named ``cupy`` and ``cupyx`` into ``sys.modules`` for a test. Their
arrays live in memory of their own: nothing turns them into NumPy's arrays by itself, and NumPy's
functions take them only where the real CuPy has a function of that name and those arguments.
"""

from cuda.standin.ledger import Ledger
from cuda.standin.modules import ON_HARDWARE, installed

__all__ = ["ON_HARDWARE", "Ledger", "installed"]
