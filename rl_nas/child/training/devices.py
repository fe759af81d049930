"""Devices that a training runs on, and the precision of Keras layers."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from rl_nas.child.training.settings import DeviceSettings
from rl_nas.child.training.tf_config import worker_index
from rl_nas.errors import UsageError, first_line


def make_distribution(settings: DeviceSettings) -> tf.distribute.Strategy:
    """The tf.distribute strategy of the settings; to be made before anything else computes.

    Raises:
        UsageError: there are no such devices, or TF_CONFIG does not name the workers.
    """
    if settings.logical_cpus > 1:
        _split_cpu(settings.logical_cpus)
    kind = settings.distribute
    if kind == "auto":
        several = len(tf.config.list_logical_devices("GPU")) > 1
        kind = "tpu" if settings.tpu is not None else "mirrored" if several else "one"
    if settings.tpu is not None and kind != "tpu":
        raise UsageError(f"--tpu={settings.tpu} with --distribute={kind}; leave one of them out")
    match kind:
        case "mirrored":
            gpus = [] if settings.logical_cpus > 1 else tf.config.list_logical_devices("GPU")
            return tf.distribute.MirroredStrategy([d.name for d in gpus or tf.config.list_logical_devices("CPU")])
        case "multiworker":
            worker_index(settings)  # raises if the cluster is unknown
            return tf.distribute.MultiWorkerMirroredStrategy()
        case "tpu":
            return _tpu_strategy(settings)
        case _:
            return tf.distribute.get_strategy()


def is_one_gpu(strategy: tf.distribute.Strategy) -> bool:
    """Whether a strategy trains on one GPU alone."""
    alone = strategy.num_replicas_in_sync == 1 and not isinstance(strategy, tf.distribute.TPUStrategy)
    return alone and bool(tf.config.list_logical_devices("GPU"))


@contextlib.contextmanager
def layers_in(precision: str) -> Iterator[None]:
    """Makes Keras layers created inside compute in `float32`, `bfloat16` or `float16`; weights are always float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _split_cpu(devices: int) -> None:
    try:
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
    except RuntimeError as error:
        raise UsageError(f"--logical_cpus={devices}: TensorFlow is already in use; start a new process") from error


def _tpu_strategy(settings: DeviceSettings) -> tf.distribute.Strategy:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(settings.tpu or "local")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, RuntimeError, tf.errors.OpError) as error:
        raise UsageError(f"--tpu={settings.tpu or 'local'}: no such TPU ({first_line(error)})") from error
    return tf.distribute.TPUStrategy(resolver)
