"""Run by `test_distribution.py`: the command, in a process that has several logical devices of TensorFlow."""

import os
import sys

import tensorflow as tf

import nmt

[cpu] = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * int(os.environ["CPUS"]))
sys.exit(nmt.main())
