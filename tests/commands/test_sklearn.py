"""A search as a classifier of scikit-learn: what its own checks ask of any, and what images need."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

import rl_nas.sklearn as module
from rl_nas.errors import UsageError
from rl_nas.sklearn import NASClassifier

DIGITS = load_digits()
TINY = {"network": "proxy", "blocks": 1, "cells": 1, "filters": 2, "reductions": 0, "epochs": 1, "executor": "inline"}


class Nearest:
    """A model that knows the training images, in the place of a trained one."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images, self.labels, self.input_shape = images, labels, (None, *images.shape[1:])

    def predict(self, images: np.ndarray, verbose: int) -> np.ndarray:
        assert images.dtype == np.uint8
        distances = ((images[:, None].astype(float) - self.images[None]) ** 2).sum(axis=(2, 3, 4))
        return np.eye(self.labels.max() + 1, dtype=np.float32)[self.labels[distances.argmin(axis=1)]]


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of searches, which find the nearest neighbor."""
    calls: list[dict[str, Any]] = []

    def fit(images: np.ndarray, labels: np.ndarray, **flags: Any) -> Any:
        calls.append(flags | {"images": images})
        return SimpleNamespace(best_model=lambda: Nearest(images, labels))

    monkeypatch.setattr(module, "fit", fit)
    return calls


@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_mixin_order",
    ],
)
def test_checks_of_scikit_learn_that_need_no_images(check: str) -> None:
    getattr(estimator_checks, check)("NASClassifier", NASClassifier())


def test_rows_and_images_are_the_same(searched: list[dict[str, Any]]) -> None:
    names = np.array([f"digit {label}" for label in DIGITS.target[:60]])
    rows = NASClassifier(image_shape=(8, 8), max_pixel=16, trials=3, flags={"epochs": 2}).fit(DIGITS.data[:60], names)
    images = NASClassifier(max_pixel=16).fit(DIGITS.images[:60], names)
    assert is_classifier(rows)
    np.testing.assert_array_equal(searched[0]["images"], searched[1]["images"])
    assert searched[0]["images"].max() == 255
    assert (searched[0]["trials"], searched[0]["epochs"], searched[0]["seed"]) == (3, 2, 0)
    assert searched[0]["class_names"] == [f"digit {number}" for number in range(10)]
    assert list(rows.classes_) == searched[0]["class_names"]
    np.testing.assert_array_equal(rows.predict(DIGITS.data[:60]), names)
    assert rows.predict_proba(DIGITS.data[:7]).shape == (7, 10)
    assert rows.score(DIGITS.data[:60], names) == 1
    np.testing.assert_array_equal(images.predict(DIGITS.images[60:90]), rows.predict(DIGITS.data[60:90]))


def test_it_works_in_grids_and_pipelines(searched: list[dict[str, Any]]) -> None:
    pipeline = make_pipeline(FunctionTransformer(np.fliplr), NASClassifier(image_shape=(8, 8), max_pixel=16))
    grid = GridSearchCV(pipeline, {"nasclassifier__trials": [2, 5]}, cv=2).fit(DIGITS.data[:100], DIGITS.target[:100])
    assert [call["trials"] for call in searched] == [2, 2, 5, 5, grid.best_params_["nasclassifier__trials"]]
    assert grid.best_score_ > 0.7
    assert clone(pipeline[-1]).get_params() == pipeline[-1].get_params()


@pytest.mark.parametrize(
    ("parameters", "images", "labels", "message"),
    [
        ({}, DIGITS.data, DIGITS.target, r"X has shape \(1797, 64\); expected .*, or rows with image_shape="),
        ({"image_shape": (8, 9)}, DIGITS.data, DIGITS.target, "or rows with image_shape"),
        ({"max_pixel": 1}, DIGITS.images, DIGITS.target, "X has pixels of 0 to 16; expected 0 to max_pixel=1"),
        ({}, DIGITS.images - 1, DIGITS.target, "X has pixels of -1 to 15"),
        ({}, DIGITS.images, np.zeros(1797), "y has one class; expected at least two"),
        ({}, DIGITS.images, DIGITS.target + 0.5, "Unknown label type"),
        ({}, DIGITS.images, DIGITS.target[1:], "inconsistent numbers of samples"),
        ({"flags": {"trials": 3}}, DIGITS.images, DIGITS.target, "flags has trials; expected it as a parameter"),
        ({"flags": {"image_size": 3}}, DIGITS.images, DIGITS.target, "flags has image_size; expected it as a parame"),
    ],
)
def test_what_is_no_image_is_refused(
    parameters: dict[str, Any], images: np.ndarray, labels: np.ndarray, message: str, searched: list[dict[str, Any]]
) -> None:
    with pytest.raises(ValueError, match=message):
        NASClassifier(**parameters).fit(images, labels)
    assert not searched


def test_predictions_need_a_fit_and_images_of_its_size(searched: list[dict[str, Any]]) -> None:
    with pytest.raises(NotFittedError):
        NASClassifier().predict(DIGITS.images)
    fitted = NASClassifier().fit(DIGITS.images[:40], DIGITS.target[:40])
    with pytest.raises(UsageError, match=r"X has images \(4, 8, 1\); the classifier is for \(8, 8, 1\)"):
        fitted.predict(DIGITS.images[:, :4])


@pytest.mark.long
def test_a_search_is_cross_validated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    classifier = NASClassifier(trials=1, strategy="random", max_pixel=16, flags=TINY)
    scores = cross_val_score(classifier, DIGITS.images[:160], DIGITS.target[:160], cv=2)
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()
    assert len(list((tmp_path / "runs").iterdir())) == 2
