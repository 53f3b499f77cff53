"""The table of vectors."""

from __future__ import annotations

from typing import Any, Self

from minigen import functional as F
from minigen.functional.arguments import refuse
from minigen.modes import no_grad
from minigen.nn import init
from minigen.nn.module import Module, Parameter, blank_parameter
from minigen.tensor import Tensor

__all__ = ["Embedding"]


class Embedding(Module):
    """Rows of a table, from N(0, 1) at first.

    Shapes: integers (…) -> (…, embedding_dim); weight (num_embeddings, embedding_dim).

    Args:
        num_embeddings: how many rows there are.
        embedding_dim: how long they are.
        padding_idx: a row that is 0 at first and collects no gradient.
        sparse: give the weight a row-sparse gradient, for `optim.SparseAdam` or `optim.SGD`; see
            `functional.embedding`.

    Raises:
        ValueError: padding_idx is no row.
        NotImplementedError: max_norm or scale_grad_by_freq.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: None = None,
        _freeze: bool = False,
        device: str | None = None,
        dtype: Any = None,
    ):
        super().__init__()
        refuse(
            "Embedding", max_norm=max_norm, scale_grad_by_freq=scale_grad_by_freq,
            _weight=_weight, _freeze=_freeze,
        )  # fmt: skip
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(f"Embedding: padding_idx {padding_idx} of {num_embeddings} rows")
            padding_idx %= num_embeddings
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx, self.sparse = padding_idx, sparse
        self.weight = blank_parameter(num_embeddings, embedding_dim, device=device, dtype=dtype)
        self.reset_parameters()

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Self:
        """The rows of this matrix as a table, in its memory; frozen, it collects no gradient.

        Raises:
            ValueError: it is no matrix.
        """
        if embeddings.ndim != 2:
            raise ValueError(f"from_pretrained: expected a matrix, got {embeddings.shape}")
        how = padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse
        table = cls(*embeddings.shape, *how, dtype=embeddings.dtype)
        table.weight = Parameter(embeddings, requires_grad=not freeze)
        return table

    def reset_parameters(self) -> None:
        """Draw the initial values anew."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].zero_()

    def forward(self, input: Tensor) -> Tensor:
        """Integers (…) -> (…, embedding_dim)"""
        return F.embedding(input, self.weight, self.padding_idx, sparse=self.sparse)

    def extra_repr(self) -> str:
        """The sizes, and what differs from the defaults."""
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        text += "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return text + (", sparse=True" if self.sparse else "")
