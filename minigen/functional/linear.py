"""Matrix products."""

from __future__ import annotations

import functools
import math
import string

import numpy as np

from minigen.backend import INT64, Array
from minigen.functional import moves
from minigen.functional.arguments import refuse
from minigen.functional.pointwise import converted
from minigen.kernels import product
from minigen.kernels.threads import single_threaded_blas
from minigen.operands import result_type
from minigen.operation import operation
from minigen.tensor import Tensor

__all__ = ["bilinear", "bmm", "dot", "einsum", "linear", "matmul", "mm", "mv", "outer"]


def _t(x: Tensor) -> Tensor:
    return moves.transpose(x, dim0=-1, dim1=-2)


# Axes before the last two broadcast, as elementwise operands do; the pullback sums over them.
@operation(
    input=lambda g, other, shape: (g @ _t(other)).sum_to_size(shape),
    other=lambda g, input, shape: (_t(input) @ g).sum_to_size(shape),
    flops=lambda y, input: 2 * y.size * input.shape[-1],
)
def _matmul(input: Array, other: Array) -> Array:
    return product.matmul(input, other)


def matmul(input: Tensor, other: Tensor, *, out: None = None) -> Tensor:
    """The matrix product.

    Shapes: (…, n, k) @ (…, k, m) -> (…, n, m), leading axes broadcast; a vector on the left is
    a row, on the right a column, and its axis is dropped from the result.

    Raises:
        ValueError: the inner lengths differ, or an operand has no axis.
    """
    if out is not None:
        refuse("matmul", out=out)
    if not (isinstance(input, Tensor) and isinstance(other, Tensor)):
        raise TypeError("matmul: both operands must be Tensors")
    a, b = input._array, other._array
    m, n = a.ndim, b.ndim
    if not m or not n:
        raise ValueError(f"matmul: {a.shape} @ {b.shape}: an operand has no axis")
    if a.shape[-1] != b.shape[-2 if n > 1 else 0]:
        raise ValueError(f"matmul: {a.shape} @ {b.shape}: inner lengths differ")
    if a.dtype is not b.dtype and a.dtype != b.dtype:
        dtype = result_type(input, other)
        input, other = input.to(dtype), other.to(dtype)
    row, column = m == 1, n == 1
    if not (row or column):
        return _matmul(input, other)
    y = _matmul(input.unsqueeze(0) if row else input, other.unsqueeze(1) if column else other)
    return y.squeeze(((-2,) if row else ()) + ((-1,) if column else ()))


def bmm(input: Tensor, mat2: Tensor, *, out: None = None) -> Tensor:
    """Matrix products of a batch: (N, n, k) @ (N, k, m) -> (N, n, m).

    Raises:
        ValueError: the shapes do not fit; nothing broadcasts.
    """
    refuse("bmm", out=out)
    if input.ndim != 3 or mat2.ndim != 3 or input.shape[0] != mat2.shape[0]:
        raise ValueError(
            f"bmm: expected (N, n, k) and (N, k, m), got {input.shape} and {mat2.shape}"
        )
    return matmul(input, mat2)


def _product(name: str, input: Tensor, other: Tensor, *axes: int) -> Tensor:
    if (input.ndim, other.ndim) != axes or input.shape[-1:] != other.shape[:1]:
        raise ValueError(
            f"{name}: expected {axes[0]} and {axes[1]} axes, of which the last and the first are "
            f"equally long, got {input.shape} and {other.shape}"
        )
    same_dtype(name, input=input, other=other)
    return matmul(input, other)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices: (n, k) · (k, m) -> (n, m)."""
    return _product("mm", input, mat2, 2, 2)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """The product of a matrix and a vector: (n, k) · (k,) -> (n,)."""
    return _product("mv", input, vec, 2, 1)


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """The inner product of two vectors: (k,) · (k,) -> ()."""
    return _product("dot", input, tensor, 1, 1)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """The outer product of two vectors: (n,), (m,) -> (n, m).

    Raises:
        ValueError: they are not two vectors.
    """
    if (input.ndim, vec2.ndim) != (1, 1):
        raise ValueError(f"outer: expected two vectors, got {input.shape} and {vec2.shape}")
    return input.unsqueeze(1) * vec2


def _einsum_pullback(
    g: Tensor, operands: tuple, terms: list[str], result: str, needs: list[bool]
) -> list[Tensor | None]:
    """The gradient for an operand is the product of g with the other operands, summed over what the
    operand lacks; an axis that nobody else has was summed alone, so the gradient is constant there.
    """
    gradients: list[Tensor | None] = []
    for i, (term, operand, need) in enumerate(zip(terms, operands, needs, strict=True)):
        if not need:
            gradients.append(None)
            continue
        others = [t for j, t in enumerate(terms) if j != i]
        known = "".join(c for c in term if c in result + "".join(others))
        tensors = [g, *(x for j, x in enumerate(operands) if j != i)]
        share = _einsum(*tensors, terms=[result, *others], result=known)
        shape = [n if c in known else 1 for c, n in zip(term, operand.shape, strict=True)]
        gradients.append(share.reshape(shape).expand(*operand.shape))
    return gradients


def _einsum_flops(y: Array, operands: tuple, terms: list[str], result: str) -> int:
    """As many for each set of elements that meet as there are operands, product by product in the
    order that is taken."""
    if len(terms) == 1:
        return operands[0].size
    lengths = dict(zip("".join(terms), [n for x in operands for n in x.shape], strict=True))
    order = "greedy" if len(terms) > 2 else False
    path = np.einsum_path(f"{','.join(terms)}->{result}", *operands, optimize=order)[0][1:]
    flops, left = 0, list(terms)
    for places in path:
        taken = [left.pop(i) for i in sorted(places, reverse=True)]
        met = set("".join(taken))
        flops += len(taken) * math.prod(lengths[c] for c in met)
        left.append("".join(sorted(met & set(result + "".join(left)))))
    return flops


@operation(joint=_einsum_pullback, flops=_einsum_flops)
def _einsum(*operands: Array, terms: list[str], result: str) -> Array:
    # A copy, since NumPy returns views where nothing is summed.
    with single_threaded_blas():
        return np.einsum(f"{','.join(terms)}->{result}", *operands, optimize=len(operands) > 2) + 0


def einsum(equation: str, *operands: Tensor) -> Tensor:
    """Sums of products in Einstein's notation: `einsum("ij,jk->ik", a, b)` is a @ b.

    Letters name axes; those that the result lacks are summed. Without `->` the result has the
    letters that occur once, in alphabetical order. A letter twice in one operand takes its
    diagonal. `...` stands for axes without names, which broadcast and come first in the result.

    Raises:
        ValueError: the equation does not fit the operands, or lengths disagree.
    """
    if len(operands) == 1 and not isinstance(operands[0], Tensor):
        operands = tuple(operands[0])
    terms, result = _terms(equation, tuple([x.ndim for x in operands]))
    dtype = result_type(*operands)
    taken, terms, lengths = [], list(terms), {}
    for i, (term, x) in enumerate(zip(terms, operands, strict=True)):
        x = x if x.dtype == dtype else x.to(dtype)
        if len(set(term)) < len(term):
            terms[i], x = _diagonal(term, x)
        taken.append(x)
        for c, n in zip(terms[i], x.shape, strict=True):
            if lengths.setdefault(c, n) != n and 1 not in (n, lengths[c]):
                raise ValueError(f"einsum: axis {c!r} of {equation!r} is {lengths[c]} and {n} long")
            lengths[c] = max(n, lengths[c]) if n else 0
    summed_alone = (c for c in lengths if c not in result and "".join(terms).count(c) == 1)
    if dtype.kind != "f" and any(summed_alone):
        taken = [converted(x, INT64) for x in taken]  # a sum of integers, as in `sum`
    # Axes of length 1 broadcast: expanded here, so that the pullback need not know of it.
    for i, (term, x) in enumerate(zip(terms, taken, strict=True)):
        shape = tuple([lengths[c] for c in term])
        if shape != x.shape:
            taken[i] = x.expand(*shape)
    return _einsum(*taken, terms=terms, result=result)


@functools.lru_cache(maxsize=256)  # to read an equation takes longer than a small product
def _terms(equation: str, ndims: tuple[int, ...]) -> tuple[list[str], str]:
    """The letters of the operands' axes and of the result's, for operands of that many axes."""
    left, arrow, result = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueError(f"einsum: {equation!r} has {len(terms)} operands, {len(ndims)} came")
    free = [c for c in string.ascii_letters if c not in equation]
    extra = [ndim - len(t.replace("...", "")) for t, ndim in zip(terms, ndims, strict=True)]
    for term, ndim, n in zip(terms, ndims, extra, strict=True):
        if n < 0 or (n > 0 and "..." not in term):
            raise ValueError(f"einsum: {term!r} in {equation!r} does not fit {ndim} axes")
    most = max([n for t, n in zip(terms, extra, strict=True) if "..." in t], default=0)
    names = "".join(free[:most])
    terms = [t.replace("...", names[most - n :]) for t, n in zip(terms, extra, strict=True)]
    if arrow:
        result = result.replace("...", names)
    else:
        once = sorted(c for c in set("".join(terms)) if "".join(terms).count(c) == 1)
        result = names + "".join(c for c in once if c not in names)
    if len(set(result)) < len(result) or set(result) - set("".join(terms)):
        raise ValueError(f"einsum: {equation!r}: the result must name axes of operands, each once")
    return terms, result


def _diagonal(term: str, x: Tensor) -> tuple[str, Tensor]:
    """The operand with each letter once: for a repeated one, its diagonal."""
    for c in sorted(set(term)):
        while term.count(c) > 1:
            i = term.index(c)
            j = term.index(c, i + 1)
            if x.shape[i] != x.shape[j]:
                raise ValueError(f"einsum: {c!r} twice in {term!r}, on axes of different lengths")
            order = [*(k for k in range(x.ndim) if k not in (i, j)), i, j]
            x = moves.diagonal(x.permute(*order), offset=0)
            term = "".join(term[k] for k in order[:-1])
    return term, x


def _rows(x: Tensor) -> Tensor:
    """(…, n) as (rows, n)."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


@operation(
    input=lambda g, weight: g @ weight,
    weight=lambda g, input: _t(_rows(g)) @ _rows(input),  # (out, rows) @ (rows, in)
    bias=lambda g, shape: g.sum_to_size(shape),
    flops=lambda y, weight: 2 * y.size * weight.shape[1],
)
def _linear(input: Array, weight: Array, bias: Array | None) -> Array:
    return product.matmul(input, weight.T, bias)  # (…, in) @ (in, out)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input · weightᵀ + bias.

    Shapes: input (…, in), weight (out, in), bias (out,) -> (…, out).

    Raises:
        ValueError: the shapes do not fit.
        TypeError: the dtypes differ.
    """
    x, w = input, weight
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[1]:
        raise ValueError(
            f"linear: expected input (…, in) and weight (out, in), got {x.shape} and {w.shape}"
        )
    if bias is not None and bias.shape != w.shape[:1]:
        raise ValueError(f"linear: expected bias {w.shape[:1]}, got {bias.shape}")
    if x.dtype != w.dtype or (bias is not None and bias.dtype != w.dtype):
        same_dtype("linear", input=input, weight=weight, bias=bias)
    return _linear(input, weight, bias)


def same_dtype(name: str, **tensors: Tensor | None) -> None:
    """Refuse tensors of different dtypes, as PyTorch's layers do.

    Raises:
        TypeError: names two that differ.
    """
    (first, x), *rest = ((n, t) for n, t in tensors.items() if t is not None)
    for other, t in rest:
        if t.dtype != x.dtype:
            raise TypeError(
                f"{name}: {first} is {x.dtype} and {other} is {t.dtype}; convert one with to()"
            )


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input1ᵀ · weight · input2 + bias, for each output.

    Shapes: input1 (…, in1), input2 (…, in2), weight (out, in1, in2), bias (out,) -> (…, out).
    """
    y = einsum("...i,oij,...j->...o", input1, weight, input2)
    return y if bias is None else y + bias
