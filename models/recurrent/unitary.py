"""The unitary cell."""

from typing import Any

import keras
import numpy as np
from keras import ops

from models.recurrent.cell import Cell, State

# A modulus has no gradient at 0.
MODULUS_EPSILON = 1e-12
Complex = tuple[Any, Any]


def rotate(x: Complex, phases: Any) -> Complex:
    """The diagonal matrix of `exp(i phases)`, times x."""
    cosine, sine = ops.cos(phases), ops.sin(phases)
    return x[0] * cosine - x[1] * sine, x[0] * sine + x[1] * cosine


def reflect(x: Complex, v: Complex) -> Complex:
    """x - 2 v (v* x) / |v|^2, with v* the conjugate transpose."""
    scale = 2 / ops.sum(ops.square(v[0]) + ops.square(v[1]))
    real = scale * ops.sum(v[0] * x[0] + v[1] * x[1], axis=-1, keepdims=True)
    imaginary = scale * ops.sum(v[0] * x[1] - v[1] * x[0], axis=-1, keepdims=True)
    return x[0] - (v[0] * real - v[1] * imaginary), x[1] - (v[0] * imaginary + v[1] * real)


def fourier(x: Complex) -> Complex:
    """The unitary Fourier transform of the last axis."""
    scale, dtype = x[0].shape[-1] ** -0.5, keras.backend.standardize_dtype(x[0].dtype)
    # Complex numbers have no half precision.
    exact = "float64" if dtype == "float64" else "float32"
    real, imaginary = ops.fft((ops.cast(x[0], exact), ops.cast(x[1], exact)))
    return ops.cast(real * scale, dtype), ops.cast(imaginary * scale, dtype)


def inverse_fourier(x: Complex) -> Complex:
    """What `fourier` undoes."""
    real, imaginary = fourier((x[0], -x[1]))
    return real, -imaginary


class UnitaryCell(Cell):
    """h' = modReLU(D3 R2 F^-1 D2 P R1 F D1 h + Wx + b) over complex numbers (Arjovsky 2016, section 4).

    D rotate, R reflect, F is the Fourier transform and P a permutation, so that a step keeps the norm of h. The state
    holds the real parts of h and then the imaginary ones.
    """

    recurrent_gates = 0

    def build(self, units: int, forget_bias: float = 0.0) -> None:
        """See `Cell`.

        Raises:
            ValueError: An odd width.
        """
        if units % 2:
            raise ValueError(f"units: expected an even number for complex states, received {units}")
        width = units // 2
        phases, vectors = (keras.initializers.RandomUniform(-limit, limit) for limit in (np.pi, 1.0))
        self.phases = self.add_weight(name="phases", shape=(3, width), initializer=phases)
        self.reflections = self.add_weight(name="reflections", shape=(2, 2, width), initializer=vectors)
        self.threshold = self.add_weight(name="threshold", shape=(width,), initializer="zeros")
        self.permutation = np.random.default_rng(width).permutation(width)
        self.built = True

    def step(self, projected: Any, recurrent: Any, state: State) -> tuple[State, tuple[Any, ...]]:
        """See `Cell`."""
        first, second = ((vector[0], vector[1]) for vector in ops.unstack(ops.convert_to_tensor(self.reflections), 2))
        h = fourier(rotate(_halves(state[0]), self.phases[0]))
        h = reflect(h, first)
        h = tuple(ops.take(part, self.permutation, axis=-1) for part in h)
        h = inverse_fourier(rotate(h, self.phases[1]))
        h = rotate(reflect(h, second), self.phases[2])
        return (ops.concatenate(self._mod_relu(tuple(map(ops.add, h, _halves(projected)))), axis=-1),), ()

    def _mod_relu(self, z: Complex) -> list[Any]:
        """relu(|z| + threshold) z / |z|."""
        modulus = ops.sqrt(ops.square(z[0]) + ops.square(z[1]) + MODULUS_EPSILON)
        scale = ops.relu(modulus + self.threshold) / modulus
        return [part * scale for part in z]


def _halves(x: Any) -> Complex:
    real, imaginary = ops.split(x, 2, axis=-1)
    return real, imaginary
