"""This process's place in a cluster, and the folders its hosts can reach. No TensorFlow."""

import json
import os

from rl_nas.child.training.settings import DeviceSettings
from rl_nas.errors import UsageError


def worker_index(settings: DeviceSettings) -> int:
    """The number of this process among the workers; the first one, 0, writes the files.

    Raises:
        UsageError: TF_CONFIG does not say.
    """
    if settings.distribute != "multiworker":
        return 0
    try:
        config = json.loads(os.environ.get("TF_CONFIG", ""))
        index, workers = config["task"]["index"], len(config["cluster"]["worker"])
    except (ValueError, KeyError, TypeError):
        index, workers = 0, 0
    if not 0 <= index < workers:
        raise UsageError(
            "--distribute=multiworker needs the environment variable TF_CONFIG, such as"
            ' {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'
        )
    return int(index)


def check_places(settings: DeviceSettings, **folders: str | None) -> None:
    """Raises `UsageError` for a folder, named by its flag, that the hosts of a remote TPU cannot reach."""
    if settings.tpu in (None, "local"):
        return
    for flag, folder in folders.items():
        if folder is None or "://" not in folder:
            met = f"--{flag} is missing" if folder is None else f"--{flag}={folder} is local"
            raise UsageError(
                f"{met}; the hosts of --tpu={settings.tpu} reach only folders in a bucket, such as gs://BUCKET/PATH"
            )
