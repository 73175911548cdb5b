"""`fi.InfluenceScorer`: a scikit-learn classifier that judges the rows it was fitted on."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from fastinfluence.errors import InputError, UnsupportedError
from fastinfluence.influence import Influence
from fastinfluence.rankings.label_issues import find_label_issues
from fastinfluence.types import FloatArray

try:
    from sklearn.base import (
        BaseEstimator,
        ClassifierMixin,
        MetaEstimatorMixin,
        clone,
        is_classifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils.metaestimators import available_if
    from sklearn.utils.validation import check_is_fitted, has_fit_parameter
except ImportError as error:
    raise UnsupportedError(
        "InfluenceScorer is a scikit-learn estimator: pip install 'fastinfluence[sklearn]'"
    ) from error


def _has(name: str) -> Any:
    return lambda self: hasattr(getattr(self, "estimator_", self._chosen()), name)


class InfluenceScorer(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A linear classifier, and what it says of each row that it was fitted on.

    Fits and predicts as the classifier inside does; after ``fit`` the training rows have scores.
    Follows scikit-learn's conventions: it can be cloned, pickled, searched over, and put at the
    end of a Pipeline. Needs scikit-learn.

    Parameters
    ----------
    estimator : classifier, optional
        Any that :meth:`Influence.from_estimator` reads and that gives probabilities, a Pipeline
        that ends with one included. By default logistic regression (C=1) of scaled columns.
    refits, folds : int, optional
        As in :func:`find_label_issues`.
    seed : int, default 0
        Of the deal into folds.

    Attributes
    ----------
    estimator_ : classifier
        Fitted.
    classes_ : ndarray, shape (K,)
    n_features_in_ : int
    influence_ : Influence
        For any further question about the training rows.
    self_influence_ : ndarray, shape (n,)
        Predicted rise of each training row's own loss when the row is removed, in nats.
    label_issues_ : LabelIssues
        The training rows by how likely their label is wrong.
    """

    def __init__(
        self,
        estimator: Any = None,
        refits: int | None = None,
        folds: int | None = None,
        seed: int = 0,
    ) -> None:
        self.estimator = estimator
        self.refits = refits
        self.folds = folds
        self.seed = seed

    def _chosen(self) -> Any:
        """The classifier asked for, or the default one."""
        if self.estimator is not None:
            return self.estimator
        # Centring would fill a sparse table, and the intercept makes up for it.
        return make_pipeline(StandardScaler(with_mean=False), LogisticRegression(max_iter=1000))

    def __sklearn_tags__(self) -> Any:
        """The tags of a classifier that takes what the one inside takes."""
        from sklearn.utils import get_tags  # scikit-learn 1.6 and later, which ask for tags

        tags, inner = super().__sklearn_tags__(), get_tags(self._chosen())
        tags.input_tags = inner.input_tags
        tags.target_tags = inner.target_tags
        tags.classifier_tags = inner.classifier_tags
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the classifier, and score the rows it was fitted on.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, d), or data frame
        y : array_like, shape (n,)
        sample_weight : array_like, shape (n,), optional

        Raises
        ------
        UnsupportedError
            If ``estimator`` is no classifier, or none whose rows can be scored.
        """
        inner = clone(self._chosen())
        if not is_classifier(inner):
            raise UnsupportedError(
                f"estimator={inner!r} is no classifier: for a regressor use "
                "fi.Influence.from_estimator(...) and its self_influence() or diagnostics()"
            )
        self.estimator_ = inner.fit(X, y, **self._weights(inner, sample_weight))
        self.classes_ = self.estimator_.classes_
        self.n_features_in_ = self.estimator_.n_features_in_
        if hasattr(self.estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.estimator_.feature_names_in_
        rows = X if hasattr(X, "shape") else np.asarray(X)
        labels = y if hasattr(y, "shape") else np.asarray(y)
        if labels.ndim == 2:
            labels = np.ravel(labels)
        self.influence_ = Influence.from_estimator(self.estimator_, rows, labels, sample_weight)
        self.self_influence_ = self.influence_.self_influence()
        self.label_issues_ = find_label_issues(
            self.influence_, refits=self.refits, folds=self.folds, seed=self.seed
        )
        return self

    def _weights(self, inner: Any, sample_weight: Any) -> dict[str, Any]:
        """The weights, by the names under which the parts of the classifier take them."""
        if sample_weight is None:
            return {}
        if not isinstance(inner, Pipeline):
            if not has_fit_parameter(inner, "sample_weight"):
                raise UnsupportedError(f"{inner!r} takes no sample_weight: leave it out")
            return {"sample_weight": sample_weight}
        steps = inner.steps if self.estimator is None else inner.steps[-1:]
        return {f"{name}__sample_weight": sample_weight for name, _ in steps}

    def score_samples(self, X: Any, y: Any = None) -> FloatArray:
        """Log of the probability of each row's label, in nats, shape (n,); low: unusual.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Rows that were not fitted; those that were have ``label_issues_``.
        y : array_like, shape (n,), optional
            Their labels; without, the likeliest class of each.
        """
        log_p = self.predict_log_proba(X)
        if y is None:
            return np.asarray(log_p.max(axis=1))
        labels = np.asarray(y)
        place = np.searchsorted(self.classes_, labels)
        place = np.minimum(place, len(self.classes_) - 1)
        unknown = np.flatnonzero(self.classes_[place] != labels)
        if labels.shape != (len(log_p),) or len(unknown):
            raise InputError(
                f"y has shape {labels.shape} for {len(log_p)} rows"
                if labels.shape != (len(log_p),)
                else f"y holds the label {labels[unknown[0]]!r} in row {unknown[0]}, which is none "
                "of classes_"
            )
        return np.asarray(log_p[np.arange(len(log_p)), place])

    def predict(self, X: Any) -> Any:
        """The class of each row, by the classifier inside."""
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(_has("predict_proba"))  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> Any:
        """Probabilities of the classes, shape (n, K)."""
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(_has("predict_log_proba"))  # type: ignore[untyped-decorator]
    def predict_log_proba(self, X: Any) -> Any:
        """Their logarithms, shape (n, K)."""
        check_is_fitted(self)
        return self.estimator_.predict_log_proba(X)

    @available_if(_has("decision_function"))  # type: ignore[untyped-decorator]
    def decision_function(self, X: Any) -> Any:
        """Raw predictions, shape (n,), or (n, K) for more than two classes."""
        check_is_fitted(self)
        return self.estimator_.decision_function(X)
