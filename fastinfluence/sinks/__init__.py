"""What becomes of t×n scores as they stream past: kept, ranked, summed, or written to files."""

from fastinfluence.sinks.base import Collector, Sink
from fastinfluence.sinks.dataset import ParquetScores
from fastinfluence.sinks.extremes import Ranking, TopKResult
from fastinfluence.sinks.memory import (
    Matrix,
    PerOutput,
    TopK,
    Total,
    result_bytes,
)
from fastinfluence.sinks.parquet import ParquetSink
from fastinfluence.sinks.question import Question

__all__ = [
    "Collector",
    "Matrix",
    "ParquetScores",
    "ParquetSink",
    "PerOutput",
    "Question",
    "Ranking",
    "Sink",
    "TopK",
    "TopKResult",
    "Total",
    "result_bytes",
]
