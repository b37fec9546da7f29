"""Run by `test_distribution.py`, once a worker: Keras with several hosts on TensorFlow (keras issue 20585)."""

import json
import os
import sys

import keras
import numpy as np
import tensorflow as tf

if __name__ == "__main__":
    addresses, index = sys.argv[1].split(","), int(sys.argv[2])
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model = keras.Sequential([keras.layers.Dense(2)])
        model.compile("sgd", "mse")
    try:
        model.fit(np.ones((8, 3), "float32"), np.ones((8, 2), "float32"), verbose=0)
    except ValueError as error:
        # The process would wait at its end for the other one.
        os.write(1, " ".join(str(error).split()).encode())
        os._exit(3)
