"""`fi.find_label_issues` beside cleanlab on tables with planted label noise.

    python benchmarks/label_issues.py --out benchmarks/label_issues.json
    python benchmarks/label_issues.py --show benchmarks/label_issues.json

Needs cleanlab (pip install cleanlab), and FASTINFLUENCE_DATA for three of the tables. Both get the
same standardised columns. cleanlab gets out-of-sample probabilities of scikit-learn's
LogisticRegression by cross_val_predict with 5 stratified folds, as its guide says; that fit is a
part of its time, as ours is of ours. Times are seconds of the processor, one thread each (set
OPENBLAS_NUM_THREADS=1, OMP_NUM_THREADS=1 and NUMBA_NUM_THREADS=1).

The figure is the average precision of the ranking, by which the planted rows are found; the rest
of the labels are taken as right, which on real tables they are not quite.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

import fastinfluence as fi

ROWS = 5000
"""Most rows of a table, drawn at random."""
SHARE = 0.1
NOISE = ("symmetric", "by class")
FOLDS = 5


def tables() -> Iterator[tuple[str, Any, Any]]:
    """Yield name, standardised columns and classes 0, 1, …."""
    for name in ("breast_cancer", "wine", "digits"):
        X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        yield name.replace("_", " "), standardised(X), y
    folder = os.environ.get("FASTINFLUENCE_DATA")
    if not folder:
        print("FASTINFLUENCE_DATA is not set: adult, covertype and flowers are left out")
        return
    yield from real_tables(Path(folder))


def real_tables(folder: Path) -> Iterator[tuple[str, Any, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from fastinfluence.audit.encode import encode
    from fastinfluence.audit.options import Options

    codes = ("Wilderness_Area", "Soil_Type")
    for name, file, target, category in (
        ("adult", "adult_census", "income", ()),
        ("covertype", "covertype_sample", "Cover_Type", codes),
    ):
        table = pq.read_table(folder / f"{file}.parquet")
        if "split" in table.column_names:
            table = table.drop(["split"])
        chosen = np.random.default_rng(0).choice(table.num_rows, ROWS, replace=False)
        table = table.take(pa.array(np.sort(chosen)))
        y = np.unique(table.column(target).to_pylist(), return_inverse=True)[1]
        yield name, encode(table, Options(target, category=category)).X, y
    flowers = np.load(folder / "flowers_inception_v3.npz", allow_pickle=True)
    from sklearn.decomposition import PCA

    X = PCA(100, random_state=0).fit_transform(flowers["features"].astype(np.float64))
    yield "flowers", standardised(X), flowers["labels"].astype(int)


def standardised(X: Any) -> Any:
    spread = X.std(axis=0)
    return ((X - X.mean(axis=0)) / np.where(spread > 0, spread, 1.0))[:, spread > 0]


def with_noise(y: Any, kind: str, rng: np.random.Generator) -> Any:
    """Flip labels: one in ten to any other class, or of class k to the next, 0 to 20 % of them."""
    K = int(y.max()) + 1
    rate = np.full(K, SHARE) if kind == "symmetric" else np.linspace(0.0, 2 * SHARE, K)
    flipped = rng.random(len(y)) < rate[y]
    step = rng.integers(1, K, size=len(y)) if kind == "symmetric" else 1
    return np.where(flipped, (y + step) % K, y)


def held_out(X: Any, y: Any, C: float) -> Any:
    """Out-of-sample probabilities, as cleanlab wants them."""
    model = LogisticRegression(C=C, max_iter=1000)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return cross_val_predict(model, X, y, cv=folds, method="predict_proba")


def by_cleanlab(X: Any, y: Any, C: float, adjust: bool = False) -> Any:
    from cleanlab.rank import get_label_quality_scores

    p = held_out(X, y, C)
    return 1.0 - get_label_quality_scores(y, p, adjust_pred_probs=adjust)


def methods(n: int) -> dict[str, Callable[[Any, Any], Any]]:
    """Return a score for each row, large where suspicious, by name."""
    return {
        "cleanlab": lambda X, y: by_cleanlab(X, y, 1.0),
        "cleanlab, adjusted": lambda X, y: by_cleanlab(X, y, 1.0, adjust=True),
        "ours, same penalty": lambda X, y: fi.find_label_issues(X, y, l2=1 / n).score,
        "ours, same penalty, no refit": lambda X, y: (
            fi.find_label_issues(X, y, l2=1 / n, refits=0).score
        ),
        "ours": lambda X, y: fi.find_label_issues(X, y).score,
    }


def measure(name: str, X: Any, y: Any, seeds: int) -> Iterator[dict[str, Any]]:
    for kind in NOISE:
        ap: dict[str, list[float]] = {}
        seconds: dict[str, list[float]] = {}
        wrong = 0.0
        for seed in range(seeds):
            given = with_noise(y, kind, np.random.default_rng(seed))
            bad = given != y
            wrong += bad.mean() / seeds
            for method, score in methods(len(y)).items():
                start = time.process_time()
                found = score(X, given)
                seconds.setdefault(method, []).append(round(time.process_time() - start, 4))
                value = average_precision_score(bad, np.nan_to_num(found, nan=-1.0))
                ap.setdefault(method, []).append(round(float(value), 4))
        K = int(y.max()) + 1
        size = {"rows": len(y), "columns": X.shape[1], "classes": K}
        noise = {"noise": kind, "wrong": round(wrong, 4)}
        yield {"table": name, **size, **noise, "average_precision": ap, "seconds": seconds}


def show(results: list[dict[str, Any]]) -> None:
    """Print a table in Markdown: means over the seeds."""
    names = list(results[0]["average_precision"])
    print("| table | noise | wrong | " + " | ".join(names) + " |")
    print("|---|---|---|" + "---|" * len(names))
    for line in results:
        cells = [
            f"{np.mean(line['average_precision'][m]):.3f} ({np.median(line['seconds'][m]):.2f} s)"
            for m in names
        ]
        about = f"{line['table']}, {line['rows']:,}×{line['columns']}, {line['classes']} classes"
        print(f"| {about} | {line['noise']} | {line['wrong']:.1%} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description="label issues: this library beside cleanlab")
    parser.add_argument("--seeds", type=int, default=3, help="draws of the noise (default: 3)")
    parser.add_argument("--tables", nargs="*", help="only these")
    parser.add_argument("--out", type=Path, help="where to write the results as JSON")
    parser.add_argument("--show", type=Path, help="print the results of an earlier run, and stop")
    args = parser.parse_args()
    if args.show:
        show(json.loads(args.show.read_text())["results"])
        return
    import cleanlab
    import sklearn

    warnings.filterwarnings("ignore", category=FutureWarning)
    X, y = datasets.load_iris(return_X_y=True)
    for n in (100, 150):  # two classes and three: compiled before anything is timed
        fi.find_label_issues(X[:n], y[:n])
    results = []
    for name, X, y in tables():
        if args.tables and name not in args.tables:
            continue
        for line in measure(name, X, y, args.seeds):
            results.append(line)
            show([line])
    versions = {"cleanlab": cleanlab.__version__, "scikit-learn": sklearn.__version__}
    if args.out:
        found = {"versions": versions, "seeds": args.seeds, "results": results}
        args.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
