"""The optimizer."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_nmt")
class Adam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015, algorithm 1), on TensorFlow by its kernel that passes over memory once.

    Keras's own step takes ten operations a variable, each a pass of its own.
    """

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one variable and its two moments."""
        if keras.backend.backend() != "tensorflow":
            super().update_step(gradient, variable, learning_rate)
            return
        import tensorflow as tf

        index, step = self._get_variable_index(variable), self.iterations + 1
        beta_1, beta_2, step = (ops.cast(x, variable.dtype) for x in (self.beta_1, self.beta_2, step))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=ops.power(beta_1, step),
            beta2_power=ops.power(beta_2, step),
            lr=ops.cast(learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=ops.cast(self.epsilon, variable.dtype),
            grad=ops.cast(gradient, variable.dtype),
        )

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        # Keras's own multiplies every gradient in every step; this one only those that are too long together.
        if keras.backend.backend() != "tensorflow" or not self.global_clipnorm:
            return super()._clip_gradients(grads)
        import tensorflow as tf

        norm = tf.sqrt(2 * tf.add_n([tf.cast(tf.nn.l2_loss(gradient), "float32") for gradient in grads]))

        def clipped() -> list[Any]:
            # What is not finite makes every weight so, and training stops: it must not become a step of nothing.
            factor = self.global_clipnorm / norm + (norm - norm)
            return [gradient * tf.cast(factor, gradient.dtype) for gradient in grads]

        return tf.cond(norm <= self.global_clipnorm, lambda: list(grads), clipped)
