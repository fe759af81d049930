"""Packages rl_nas and nothing else; the links at the top of the repository stay out."""

import re
from pathlib import Path

from setuptools import find_packages, setup

_RELATIVE = r"\]\((?!https?://|#)([^)\s]+)\)"


def index_page(readme: str) -> str:
    """The README as the page of a package index, where links to files lead nowhere: their names instead."""
    without_images = re.sub(rf"!\[[^\]]*{_RELATIVE}\n*", "", readme)
    names = re.sub(rf"\[([^\]]+){_RELATIVE}", lambda link: f"`{link[2].partition('#')[0]}`", without_images)
    note = (
        "The files that this page names are in the source archive: "
        "`pip download --no-deps --no-binary rl_nas rl_nas`.\n"
    )
    return f"{names.rstrip()}\n\n{note}"


setup(
    name="rl_nas",
    version="0.1.0",
    description="Neural architecture search with a reinforcement-learning controller, on TensorFlow and Keras 3",
    long_description=index_page(Path(__file__).with_name("README.md").read_text(encoding="utf-8")),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "rl_nas/report/page/tabulator/LICENSE"],
    python_requires=">=3.11",
    packages=find_packages(include=["rl_nas", "rl_nas.*"]),
    package_data={
        "rl_nas": ["py.typed"],
        "rl_nas.bench": ["tables/*.npz"],
        "rl_nas.flags": ["*.cfg", "*.txt"],
        "rl_nas.report.page": ["page.*", "tabulator/*"],
    },
    install_requires=[
        "absl-py>=2.1",
        "keras>=3.15",  # safe mode of earlier ones can be bypassed by a model.keras
        "matplotlib>=3.8",
        "numpy>=1.26",
        "packaging",
        "h5py",  # sizes of the arrays in Keras files
        "pillow>=10.3",  # reads EXIF, and the indices of palette images, which TensorFlow cannot
        "psutil>=5.9",
        "rich>=13.7",
        "scipy>=1.11",
        "tensorboard>=2.17",
        "tensorflow>=2.17",
        "typing_extensions>=4.5",
        "tensorflow-datasets>=4.9.7",
        "importlib_resources>=6",  # tensorflow-datasets imports it when it downloads, without requiring it
    ],
    extras_require={
        "detection": ["pycocotools>=2.0.8"],
        "digits": ["scikit-learn>=1.4"],
        "docs": ["mkdocstrings-python>=2", "properdocs>=1.6.5", "properdocs-theme-readthedocs"],
        "keras-tuner": ["keras-tuner>=1.4.7"],
        "mlflow": ["mlflow-skinny>=3"],
        "onnx": ["onnxruntime>=1.17", "tf2onnx>=1.16"],
        "optuna": ["optuna>=4"],  # --strategy=tpe, nsga2
        "pandas": ["pandas>=2.2"],
        "pareto": ["moocore>=0.2", "optuna>=4"],  # hypervolumes, for benchmarks/pareto.py
        "ray": ["ray>=2.52"],  # the first with tokens
        "report": ["bokeh>=3.8"],  # with Jinja2; earlier ones need pandas
        "sklearn": ["scikit-learn>=1.6"],  # --strategy=bananas; the first with __sklearn_tags__
        "wandb": ["wandb>=0.19"],  # 60 MB, which only `make test-long` and `make test-all` install
        "test": [
            "rl_nas[detection,digits,docs,keras-tuner,mlflow,onnx,optuna,pandas,pareto,report,sklearn]",
            "build",
            "faster-coco-eval",
            "hypothesis",
            "ipykernel",
            "mypy",
            "nbclient",
            "playwright",
            "types-psutil",
            "pytest",
            "pytest-xdist",
            "ray>=2.52",
            "ruff",
            "setuptools>=77",
            "wheel",
        ],
    },
    entry_points={"console_scripts": ["rl_nas = rl_nas.__main__:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
