"""Optimizers, which clip gradients and tell their norm, and how their step sizes go."""

import math
from typing import Any

import keras
from keras import ops

from models.config import TrainingConfig
from models.training.replicas import over_replicas


class Clipping(keras.optimizers.Optimizer):
    """Clips gradients by their norm all together, in place of Keras's own way, and notes that norm.

    Attributes:
        gradient_norm: Of the last step's gradients, before they were clipped.
    """

    def build(self, variables: Any) -> None:
        """Makes the variables."""
        if not self.built:
            super().build(variables)
            self.gradient_norm = self.add_variable((), aggregation="only_first_replica", name="gradient_norm")

    def _backend_apply_gradients(self, grads: list[Any], trainable_variables: list[Any]) -> None:
        # Keras's own clips a replica's gradients, and sums what is left.
        super()._backend_apply_gradients(over_replicas(list(grads)), trainable_variables)

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        norm = _global_norm(grads)
        self.gradient_norm.assign(norm)
        if not self.global_clipnorm:
            return super()._clip_gradients(grads)
        # What is not finite makes every weight so, and training stops: it must not become a step of nothing.
        factor = self.global_clipnorm / ops.maximum(norm, self.global_clipnorm) + (norm - norm)

        def clipped() -> list[Any]:
            return [gradient * ops.cast(factor, gradient.dtype) for gradient in grads]

        if keras.backend.backend() != "tensorflow":
            return clipped()
        # Keras's own multiplies every gradient in every step; this only those that are too long together.
        return ops.cond(norm <= self.global_clipnorm, lambda: list(grads), clipped)


def _global_norm(grads: list[Any]) -> Any:
    if keras.backend.backend() != "tensorflow":
        return ops.sqrt(sum(ops.sum(ops.square(ops.cast(gradient, "float32"))) for gradient in grads))
    import tensorflow as tf

    return tf.sqrt(2 * tf.add_n([tf.cast(tf.nn.l2_loss(gradient), "float32") for gradient in grads]))


@keras.saving.register_keras_serializable(package="keras_nmt")
class Adam(Clipping, keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015, algorithm 1), on TensorFlow by its kernel that passes over memory once.

    Keras's own step takes ten operations a variable, each a pass of its own. With weight decay, which is apart from the
    gradient, it is AdamW (Loshchilov and Hutter 2019).
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


@keras.saving.register_keras_serializable(package="keras_nmt")
class SGD(Clipping, keras.optimizers.SGD):
    """Gradient descent, with or without momentum."""


@keras.saving.register_keras_serializable(package="keras_nmt")
class Adafactor(Clipping, keras.optimizers.Adafactor):
    """Adam with second moments by row and column (Shazeer and Stern 2018)."""


@keras.saving.register_keras_serializable(package="keras_nmt")
class StepSize(keras.optimizers.schedules.LearningRateSchedule):
    """The step size of each batch.

    Args:
        peak: At its highest.
        warmup_steps: Batches over which it rises from nothing to `peak`, on a line.
        schedule: What follows: `constant`; `cosine`, down to nothing in a half cosine (Loshchilov and Hutter 2017);
            `inverse-sqrt`, peak sqrt(warmup_steps / step) (Vaswani 2017, section 5.3); `halving`, by half each
            `halve_every` batches once `halve_after` are done (Luong 2015, section 4.1).
        steps: Of the whole training.
        halve_after: See `schedule`.
        halve_every: See `schedule`.
    """

    def __init__(
        self, peak: float, warmup_steps: int, schedule: str, steps: int, halve_after: int = 0, halve_every: int = 1
    ):
        self.peak, self.warmup_steps, self.schedule, self.steps = peak, warmup_steps, schedule, steps
        self.halve_after, self.halve_every = halve_after, halve_every

    def __call__(self, step: Any) -> Any:
        """The step size of the batch of that number, from 0 on."""
        step = ops.cast(step, "float32")
        warmup = float(self.warmup_steps)
        rising = step / warmup if warmup else 1.0
        return self.peak * ops.where(step < warmup, rising, self._later(step, warmup))

    def _later(self, step: Any, warmup: float) -> Any:
        if self.schedule == "cosine":
            done = ops.minimum((step - warmup) / max(self.steps - warmup, 1.0), 1.0)
            return 0.5 * (1 + ops.cos(math.pi * done))
        if self.schedule == "inverse-sqrt":
            return ops.sqrt(warmup / ops.maximum(step, warmup))
        if self.schedule == "halving":
            halvings = ops.floor((step - self.halve_after) / self.halve_every) + 1
            return ops.power(0.5, ops.maximum(halvings, 0.0))
        return ops.ones_like(step)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dict(vars(self))


def without_scale(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer, which Keras wraps into another that scales the loss where float16 is computed in."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def build_optimizer(training: TrainingConfig, steps: int) -> keras.optimizers.Optimizer:
    """The recipe's optimizer, with step sizes over `steps` batches."""
    common: dict[str, Any] = {
        "learning_rate": training.learning_rate,
        "gradient_accumulation_steps": training.accumulation if training.accumulation > 1 else None,
        "global_clipnorm": training.clip_norm or None,
        "clipvalue": training.clip_value or None,
        "weight_decay": training.weight_decay or None,
    }
    if training.schedule != "plateau":
        halving = training.halve_after, training.halve_every
        common["learning_rate"] = StepSize(
            training.learning_rate, training.warmup_steps, training.schedule, steps, *halving
        )
    if training.average_momentum:
        common |= {"use_ema": True, "ema_momentum": training.average_momentum}
    if training.optimizer == "sgd":
        return SGD(momentum=training.momentum, **common)
    if training.optimizer == "adafactor":
        return Adafactor(relative_step=False, **common)
    return Adam(**common)
