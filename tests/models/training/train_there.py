"""Run by `test_distribution.py`: commands one after another, in a process that has several logical devices.

Those of JAX are an environment variable's; of TensorFlow's CPUs there are `CPUS`.
"""

import itertools
import os
import sys

import nmt

if count := os.environ.get("CPUS"):
    import tensorflow as tf

    [cpu] = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(count))
for is_end, command in itertools.groupby(sys.argv[1:], "--".__eq__):
    if not is_end:
        nmt.run(list(command))
