"""Shapes and places, as users name them; `moves.py` has the operations."""

from __future__ import annotations

import math
import operator
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigen.backend import Array, as_array, is_array, to_device
from minigen.functional import moves
from minigen.functional.arguments import (
    SEQUENCES,
    axis,
    lengths,
    out_of_range,
    refuse,
    require_integers,
    sizes,
)
from minigen.halves import in_float32
from minigen.kernels.places import places
from minigen.operands import result_type
from minigen.tensor import Tensor

__all__ = [
    "cat", "chunk", "flatten", "flip", "gather", "index", "index_add", "index_put", "index_select",
    "masked_select", "meshgrid", "narrow", "nonzero", "permute", "repeat", "reshape", "roll",
    "scatter", "scatter_add", "split", "squeeze", "stack", "t", "take_along_dim", "transpose",
    "tril", "triu", "unbind", "unflatten", "unsqueeze",
]  # fmt: skip


def reshape(input: Tensor, *shape: int) -> Tensor:
    """The same elements, in row-major order, in another shape; one −1 is worked out.

    Raises:
        ValueError: the number of elements would change, or a length is below −1.
    """
    to = shape[0] if len(shape) == 1 and type(shape[0]) is tuple else shape
    try:
        y = moves.reshape(input, to=to)
    except TypeError:
        to = sizes("reshape", shape)
        y = moves.reshape(input, to=to)
    if y.shape != to and min(to) < -1:  # NumPy takes any negative number for −1
        raise ValueError(f"reshape: an axis cannot have a negative length: {to}")
    return y


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Merge the axes from `start_dim` to `end_dim`, both included.

    Raises:
        IndexError: there is no such axis.
        ValueError: `start_dim` comes after `end_dim`.
    """
    first = axis("flatten", start_dim, input.ndim)
    last = axis("flatten", end_dim, input.ndim)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim}")
    merged = math.prod(input.shape[first : last + 1])
    return moves.reshape(input, to=(*input.shape[:first], merged, *input.shape[last + 1 :]))


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Split the axis `dim` into axes of the lengths `sizes`, of which one may be −1: what is left.

    Raises:
        IndexError: there is no such axis.
        ValueError: the lengths do not multiply to that of the axis.
    """
    dim = axis("unflatten", dim, input.ndim)
    if list(sizes).count(-1) == 1 and (known := -math.prod(sizes)) > 0:  # right of 0 elements too
        sizes = [input.shape[dim] // known if n == -1 else n for n in sizes]
    if math.prod(sizes) != input.shape[dim]:
        raise ValueError(
            f"unflatten: {tuple(sizes)} do not multiply to axis {dim} of {input.shape}"
        )
    return moves.reshape(input, to=(*input.shape[:dim], *sizes, *input.shape[dim + 1 :]))


def squeeze(input: Tensor, dim: int | Sequence[int] | None = None, *more: int) -> Tensor:
    """Drop the axes of length 1, all or those in `dim`; they may be several arguments."""
    dim = (dim, *more) if more else dim
    dims = range(input.ndim) if dim is None else dim if isinstance(dim, Sequence) else [dim]
    dims = {axis("squeeze", d, input.ndim) for d in dims}
    return moves.reshape(
        input, to=tuple(n for i, n in enumerate(input.shape) if n != 1 or i not in dims)
    )


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """Insert an axis of length 1 at `dim`."""
    shape = input._array.shape
    if not (type(dim) is int and 0 <= dim <= len(shape)):  # seldom
        dim = axis("unsqueeze", dim, len(shape) + 1)
    return moves.reshape(input, to=(*shape[:dim], 1, *shape[dim:]))


def permute(input: Tensor, *dims: int) -> Tensor:
    """View the input with its axes in the order `dims`.

    Raises:
        ValueError: `dims` does not name every axis once.
    """
    dims = dims[0] if len(dims) == 1 and isinstance(dims[0], SEQUENCES) else dims
    ndim = len(input._array.shape)
    order = [d if type(d) is int and 0 <= d < ndim else axis("permute", d, ndim) for d in dims]
    try:
        return moves.permute(input, dims=tuple(order))
    except ValueError:
        raise ValueError(f"permute: dims {dims} must name each of {ndim} axes once") from None


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """View the input with two axes exchanged.

    Raises:
        IndexError: there is no such axis.
    """
    ndim = input.ndim
    dim0, dim1 = axis("transpose", dim0, ndim), axis("transpose", dim1, ndim)
    return moves.transpose(input, dim0=dim0, dim1=dim1) if ndim else moves.permute(input, dims=())


def _of_one_dtype(tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], list]:
    """The tensors, and their shapes."""
    dtype, shapes = tensors[0]._array.dtype, []
    for t in tensors:
        array = t._array
        shapes.append(array.shape)
        if array.dtype is not dtype:
            break
    else:
        return tensors, shapes
    dtype = result_type(*tensors)
    return [t if t.dtype == dtype else t.to(dtype) for t in tensors], [t.shape for t in tensors]


def cat(tensors: Sequence[Tensor], dim: int = 0, *, out: None = None) -> Tensor:
    """Join tensors along the existing axis `dim`; their other axes must agree. A tensor of shape
    (0,) fits any others, as in PyTorch, and adds nothing.

    Raises:
        ValueError: there are no tensors, or their shapes do not fit.
    """
    if out is not None:
        refuse("cat", out=out)
    if not len(tensors):
        raise ValueError("cat: expected at least one tensor, got none")
    tensors, shapes = _of_one_dtype(tensors)
    if (0,) in shapes:
        tensors = [t for t in tensors if t.shape != (0,)] or tensors
        shapes = [t.shape for t in tensors]
    if not shapes[0]:
        raise ValueError("cat: a tensor without axes cannot be joined; stack() makes a new axis")
    if not (type(dim) is int and 0 <= dim < len(shapes[0])):  # seldom
        dim = axis("cat", dim, len(shapes[0]))
    try:
        return moves.cat(*tensors, dim=dim, shapes=shapes)
    except ValueError:
        if any(len(shape) <= dim for shape in shapes):
            raise ValueError(f"cat: shapes {shapes} do not all have an axis {dim}") from None
        raise


def stack(tensors: Sequence[Tensor], dim: int = 0, *, out: None = None) -> Tensor:
    """Join tensors of one shape along a new axis `dim`.

    Raises:
        ValueError: there are no tensors, or their shapes differ.
    """
    if out is not None:
        refuse("stack", out=out)
    if not len(tensors):
        raise ValueError("stack: expected at least one tensor, got none")
    tensors, shapes = _of_one_dtype(tensors)
    if shapes.count(shapes[0]) < len(shapes):
        raise ValueError(f"stack: shapes differ: {shapes}")
    return moves.stack(*tensors, dim=axis("stack", dim, len(shapes[0]) + 1))


def split_key(key: Any, device: str) -> tuple[tuple, tuple]:
    """An index as two: first integers, slices, None and `...`, which give a view, then arrays of
    integers or truth values, which copy; lists become arrays on `device`. (NumPy would count an
    integer beside an array as one.) Arrays of bytes are masks, as in PyTorch."""
    views, copies = [], []
    for k in key if isinstance(key, tuple) else (key,):
        if isinstance(k, Tensor):
            k = k._array.copy()  # the pullback needs it, and could not see it change
        elif isinstance(k, list | tuple | range | bool | np.bool_):
            k = np.asarray(k)
            k = to_device(k if k.size else k.astype(int), device)
        elif is_array(k):
            k = as_array(k).copy()
        if is_array(k) and k.dtype == np.uint8:
            k = k.astype(bool)
        if is_array(k) and (k.ndim or k.dtype.kind == "b"):
            views += [slice(None)] * (k.ndim if k.dtype.kind == "b" else 1)
            copies.append(k)
            continue
        if is_array(k):
            k = k.item()  # an array of CuPy is no index
        views.append(k if k is None or k is ... or isinstance(k, slice) else _place(k))
        if not isinstance(views[-1], int):
            copies.append(k if k is ... else slice(None))
    if not any(k is ... for k in views):
        views.append(...)  # one element is a view too then, and not a scalar
    return tuple(views), tuple(copies) if any(is_array(k) for k in copies) else ()


def _place(k: Any) -> int:
    try:
        return operator.index(k)
    except TypeError:
        raise TypeError(
            f"index: {k!r} is none; expected integers, slices, None, `...`, or tensors, arrays or "
            "lists of integers or truth values"
        ) from None


def part_of(whole: Tensor, key: Any, views: tuple) -> Tensor:
    """A view by index, `whole[key]`, which knows of what: a change in place changes both."""
    y = moves.index(whole, key=views)
    free = getattr(whole, "_base", (None,))[-1]
    y._base = weakref.ref(whole), whole._array, key, views, free
    return y


def index(input: Tensor, key: Any) -> Tensor:
    """`input[key]`, with integers, slices, `None`, `...`, arrays or tensors of integers, and masks.

    Integers and slices give views, and come before arrays, as in PyTorch; gradients of elements
    taken twice add up.

    Raises:
        IndexError: the index is out of range or has too many axes.
        TypeError: something else than these is in the index.
    """
    simple = type(key) is slice or type(key) is int
    views, copies = ((key, ...), ()) if simple else split_key(key, input.device)
    y = input
    if not copies or any(k not in (slice(None), ...) for k in views):
        y = part_of(input, key, views)
    return moves.index(y, key=copies) if copies else y


def index_put(
    input: Tensor, indices: Any, values: Tensor | float, accumulate: bool = False
) -> Tensor:
    """A copy of the input in which `input[indices]` are the values, which broadcast; where a place
    is named several times, the last one counts.

    Raises:
        IndexError, TypeError: see `index`.
        ValueError: the values do not broadcast to `input[indices]`.
    """
    refuse("index_put", accumulate=accumulate)
    if isinstance(values, Tensor):
        extra = values.ndim - index(input.detach(), indices).ndim
        if extra > 0 and set(values.shape[:extra]) == {1}:
            values = moves.reshape(values, to=values.shape[extra:])
    elif not isinstance(values, float | int):
        kind = input.dtype if input.dtype.kind == "f" else None
        values = to_device(as_array(values, kind), input.device)  # or refused, as None is
    return moves.index_put(input, values, key=split_key(indices, input.device))


def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """Pick elements along one axis: y[i, j] = input[index[i, j], j] for `dim` = 0.

    Shapes: index has the input's number of axes and, but for `dim`, no more than its lengths; y has
    the index's shape. An index of no elements may have any.

    Raises:
        TypeError: the index holds no integers.
        ValueError: the shapes do not fit.
        IndexError: an index is negative or out of range. On a GPU nobody looks, as that would mean
            waiting.
    """
    refuse("gather", sparse_grad=sparse_grad)
    require_integers("gather", index=index)
    dim = axis("gather", dim, input.ndim)
    if not index.numel():
        return moves.reshape(
            moves.index(moves.reshape(input, to=(-1,)), key=slice(0)), to=index.shape
        )
    if not input.ndim or not index.ndim:  # no axes count as one of length 1
        pair = [moves.reshape(x, to=x.shape or (1,)) for x in (input, index)]
        return moves.reshape(gather(pair[0], dim, pair[1]), to=index.shape)
    if input.ndim != index.ndim or any(
        n > m and i != dim for i, (n, m) in enumerate(zip(index.shape, input.shape, strict=True))
    ):
        raise ValueError(
            f"gather: but for axis {dim}, index {index.shape} must have the lengths of the input "
            f"{input.shape}, or less"
        )
    require_places("gather", index._array, input.shape[dim])
    return moves.gather(input, index, dim=dim)


def require_places(name: str, index: Array, length: int) -> None:
    """Refuse what is `out_of_range`: unlike `x[…]`, these operations do not count from the end.

    Raises:
        IndexError: names the operation.
    """
    if out_of_range(index, length):
        raise IndexError(
            f"{name}: {index.min()} to {index.max()} is out of bounds for an axis of length "
            f"{length}; places count from 0 here"
        )


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """Like `gather`, but the other axes broadcast, and places count from the end if negative, as in
    PyTorch; of the flattened input if `dim` is left out.

    Raises:
        TypeError: the indices are no integers.
        ValueError: the shapes do not broadcast.
        IndexError: a place is out of range.
    """
    if dim is None:
        return take_along_dim(input.reshape(-1), indices.reshape(-1), 0)
    dim = axis("take_along_dim", dim, input.ndim)
    try:
        lengths = [
            (n, m) if i == dim else (both := int(np.broadcast_shapes((n,), (m,))[0]), both)
            for i, (n, m) in enumerate(zip(input.shape, indices.shape, strict=True))
        ]
    except ValueError:
        raise ValueError(
            f"take_along_dim: indices {indices.shape} do not broadcast to {input.shape} but for "
            f"axis {dim}"
        ) from None
    require_integers("take_along_dim", indices=indices)
    input = input.expand(*[n for n, _ in lengths])
    indices = indices.expand(*[m for _, m in lengths])
    return moves.gather(input, indices, dim=dim)


def index_select(input: Tensor, dim: int, index: Tensor, *, out: None = None) -> Tensor:
    """The entries of the axis `dim` that the 1-d tensor `index` of integers names, in its order.

    Raises:
        TypeError: the index holds no integers.
        IndexError: an entry is negative or out of range.
    """
    refuse("index_select", out=out)
    dim = axis("index_select", dim, input.ndim)
    entries = _entries("index_select", index, input, dim)
    if not input.ndim:  # one element, of which one is taken
        if len(entries) != 1:
            raise ValueError(f"index_select: one entry of a tensor without axes, not {index.shape}")
        return moves.reshape(moves.index(moves.reshape(input, to=(1,)), key=entries), to=())
    return moves.index(input, key=(*(slice(None),) * dim, entries))


@in_float32
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1, out: None = None
) -> Tensor:
    """The input with alpha · source added to those entries of the axis `dim` that `index` names;
    what is added to one entry twice adds up.

    Raises:
        TypeError: the index holds no integers.
        ValueError: source does not have the shape of `index_select(input, dim, index)`.
        IndexError: an entry is negative or out of range.
    """
    refuse("index_add", out=out)
    dim = axis("index_add", dim, input.ndim)
    if not (input.ndim or source.ndim):
        pair = [moves.reshape(x, to=(1,)) for x in (input, source)]
        return moves.reshape(index_add(pair[0], 0, index, pair[1], alpha=alpha), to=())
    key = (*(slice(None),) * dim, _entries("index_add", index, input, dim))
    expected = (*input.shape[:dim], len(key[-1]), *input.shape[dim + 1 :])
    if source.shape != expected:
        raise ValueError(f"index_add: source must be {expected}, not {source.shape}")
    return input + moves.index_add(
        source if alpha == 1 else source * alpha, key=key, size=input.shape
    )


def _entries(name: str, index: Tensor, input: Tensor, dim: int) -> Array:
    if index.dtype.kind not in "iu" or index.ndim > 1:
        raise TypeError(f"{name}: index must hold integers on one axis, not {index.dtype} "
                        f"{index.shape}")  # fmt: skip
    require_places(name, index._array, input.shape[dim] if input.ndim else 1)
    return index._array.reshape(-1).copy()  # see `split_key`


def split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Views of pieces of the axis `dim`, of that size (the last may be smaller) or those sizes.

    Raises:
        ValueError: the sizes do not add up to the axis, or one is negative.
    """
    dim = axis("split", dim, tensor.ndim)
    length, lengths = tensor.shape[dim], split_size_or_sections
    if not isinstance(lengths, Sequence):
        if lengths < 1:
            raise ValueError(f"split: the size of a piece must be at least 1, not {lengths}")
        starts = range(0, length, lengths) if length else [0]
        lengths = [min(lengths, length - start) for start in starts]
    if sum(lengths) != length or min(lengths, default=0) < 0:
        raise ValueError(
            f"split: {list(lengths)} are not lengths that add up to axis {dim} of {tensor.shape}"
        )
    ends = np.cumsum(lengths).tolist()
    before = (slice(None),) * dim
    return tuple(
        moves.index(tensor, key=(*before, slice(end - n, end)))
        for end, n in zip(ends, lengths, strict=True)
    )


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of up to `chunks` pieces of the axis `dim`, equal but for the last.

    Raises:
        ValueError: fewer than one piece.
    """
    if chunks < 1:
        raise ValueError(f"chunk: chunks must be at least 1, not {chunks}")
    length = input.shape[axis("chunk", dim, input.ndim)]
    return split(input, -(-length // chunks) or [0] * chunks, dim)


def flip(input: Tensor, dims: int | Sequence[int], *more: int) -> Tensor:
    """The elements in reverse order along the axes `dims`, which may be several arguments."""
    dims = sizes("flip", [dims, *more])
    return moves.flip(input, dims=tuple([axis("flip", d, input._array.ndim) for d in dims]))


def roll(
    input: Tensor, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None
) -> Tensor:
    """The elements moved on along axes by `shifts`, those beyond the end to the start; without
    `dims` along the flattened input.

    Raises:
        ValueError: not as many shifts as axes.
    """
    shifts = tuple(shifts) if isinstance(shifts, Sequence) else (shifts,)
    if dims is None or dims == ():
        if len(shifts) != 1:
            raise ValueError(f"roll: {len(shifts)} shifts for the flattened input; expected one")
        return moves.roll(input.reshape(-1), shifts=shifts, dims=(0,)).reshape(input.shape)
    dims = tuple(dims) if isinstance(dims, Sequence) else (dims,)
    if len(shifts) != len(dims):
        raise ValueError(f"roll: {len(shifts)} shifts for {len(dims)} axes")
    return moves.roll(input, shifts=shifts, dims=tuple(axis("roll", d, input.ndim) for d in dims))


def repeat(input: Tensor, *repeats: int) -> Tensor:
    """Copies of the input side by side, `repeats` of them along each axis; new axes come first.

    Raises:
        ValueError: fewer numbers than axes, or one is negative.
    """
    counts = lengths("repeat", repeats)
    lead = len(counts) - input.ndim
    if lead < 0:
        raise ValueError(f"repeat: {len(counts)} numbers for a tensor of {input.ndim} axes")
    shape = (1,) * lead + input.shape
    # Each axis n becomes (repeats, n), of which the first is expanded.
    paired = [length for n in shape for length in (1, n)]
    wide = [length for n, count in zip(shape, counts, strict=True) for length in (count, n)]
    merged = [n * count for n, count in zip(shape, counts, strict=True)]
    return moves.reshape(moves.in_rows(input.reshape(paired).expand(*wide)), to=tuple(merged))


def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; what has fewer axes is itself.

    Raises:
        ValueError: there are more than two axes.
    """
    if input.ndim > 2:
        raise ValueError(
            f"t: expected at most 2 axes, got {input.shape}; see transpose and permute"
        )
    return permute(input, *reversed(range(input.ndim)))


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of matrices (…, n, m): 0 above that diagonal."""
    return _triangle("tril", input, diagonal, False)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of matrices (…, n, m): 0 below that diagonal."""
    return _triangle("triu", input, diagonal, True)


def _triangle(name: str, input: Tensor, diagonal: int, upper: bool) -> Tensor:
    if input.ndim < 2:
        raise ValueError(f"{name}: expected matrices (…, n, m), got {input.shape}")
    return moves.triangle(input, k=diagonal, upper=upper)


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """A view of `length` entries of the axis `dim`, from `start` on.

    Raises:
        IndexError: there are not as many.
    """
    dim = axis("narrow", dim, input.ndim)
    n, start = input.shape[dim] if input.ndim else 0, operator.index(start)
    first = start + n if start < 0 else start
    if not 0 <= first <= first + length <= n:
        raise IndexError(f"narrow: {length} entries from {start} on, of an axis of length {n}")
    return moves.index(input, key=(*(slice(None),) * dim, slice(first, first + length), ...))


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of all entries of the axis `dim`, without it.

    Raises:
        ValueError: the tensor has no axes.
    """
    if not input.ndim:
        raise ValueError("unbind: a tensor without axes has no entries")
    before = (slice(None),) * axis("unbind", dim, input.ndim)
    return tuple([moves.index(input, key=(*before, i, ...)) for i in range(input.shape[dim])])


def meshgrid(*tensors: Tensor, indexing: str = "ij") -> tuple[Tensor, ...]:
    """For each of some vectors the grid that they span together, of the same shape, with its
    coordinate of every point; with indexing="xy" the second vector runs down the first axis.

    Raises:
        ValueError: another indexing, or a tensor with several axes.
    """
    if len(tensors) == 1 and isinstance(tensors[0], SEQUENCES):
        (tensors,) = tensors
    if indexing not in ("ij", "xy") or any(x.ndim > 1 for x in tensors):
        shapes = [x.shape for x in tensors]
        raise ValueError(
            f"meshgrid: vectors, and indexing 'ij' or 'xy', not {shapes}, {indexing!r}"
        )
    shape, grids = [math.prod(x.shape) for x in tensors], []
    for i, x in enumerate(tensors):
        to = tuple([n if i == j else 1 for j, n in enumerate(shape)])
        grids.append(moves.reshape(x, to=to).expand(*shape))
    if indexing == "xy" and len(grids) > 1:
        grids = [transpose(grid, 0, 1) for grid in grids]
    return tuple(grids)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask is true, on one axis; input and mask broadcast.

    Raises:
        TypeError: the mask holds no truth values.
    """
    if mask.dtype.kind != "b":
        raise TypeError(f"masked_select: the mask must hold truth values, not {mask.dtype}")
    shape = np.broadcast_shapes(input.shape, mask.shape)
    return index(input.expand(*shape), mask.expand(*shape))


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Tensor | tuple[Tensor, ...]:
    """The places of all elements that are not 0, one a row; as a tuple one tensor for each axis,
    which together are an index."""
    places = input._array.reshape(input.shape or (1,)).nonzero()
    if as_tuple:
        return tuple(map(Tensor, places))
    return stack([Tensor(p) for p in places], 1)[:, : input.ndim]


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """The input with elements of `src` added at places along one axis, which is the opposite of
    `gather`: y[index[i, j], j] += src[i, j] for `dim` = 0; what meets adds up.

    Shapes: index has as many axes as the others and no more than the lengths of src, nor, but for
    `dim`, of the input.

    Raises:
        TypeError, ValueError, IndexError: see `gather`; dtypes differ.
    """
    whole, dim, index, src = _fitted("scatter_add", input, dim, index, src)
    y = whole + moves.scatter_add(src, index, dim=dim, size=whole.shape)
    return y if y.ndim == input.ndim else moves.reshape(y, to=())


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Tensor | float = None, *, value: float = None,
    reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """The input with elements of `src`, or one number, put at places along one axis: y[index[i, j],
    j] = src[i, j] for `dim` = 0; of those that meet the last one counts.

    Shapes and errors: see `scatter_add`.
    """
    refuse("scatter", reduce=reduce)
    src = value if src is None else src
    whole, dim, index, src = _fitted("scatter", input, dim, index, src)
    y = moves.index_put(whole, src, key=((...,), places(index._array.copy(), dim)))
    return y if y.ndim == input.ndim else moves.reshape(y, to=())


def _fitted(
    name: str, input: Tensor, dim: int, index: Tensor, src: Any
) -> tuple[Tensor, int, Tensor, Any]:
    """What is scattered, with an axis at least, and as much of src as the index has places for."""
    require_integers(name, index=index)
    dim = axis(name, dim, input.ndim)
    if isinstance(src, Tensor) and src.dtype != input.dtype:
        raise TypeError(f"{name}: the input is {input.dtype} and src {src.dtype}; convert one")
    given = [x if not isinstance(x, Tensor) or x.ndim else moves.reshape(x, to=(1,))
             for x in (input, index, src)]  # fmt: skip
    input, index, src = given
    shape = index.shape
    limits = [input.shape[:dim] + (math.inf,) + input.shape[dim + 1 :]]
    limits += [src.shape] if isinstance(src, Tensor) else []
    if any(len(x) != len(shape) or any(map(operator.lt, x, shape)) for x in limits):
        raise ValueError(f"{name}: index {shape} is beyond input {input.shape} or src {limits[-1]}")
    require_places(name, index._array, input.shape[dim])
    if isinstance(src, Tensor) and src.shape != shape:
        src = moves.index(src, key=tuple(map(slice, shape)))
    return input, dim, index, src
