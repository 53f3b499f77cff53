"""Attention with several heads."""

from __future__ import annotations

import math
from typing import Any

from minigen import functional as F
from minigen.functional.arguments import refuse
from minigen.functional.compositions import masked_softmax
from minigen.nn import init
from minigen.nn.linear import Linear
from minigen.nn.module import Module, blank_parameter
from minigen.tensor import Tensor

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Attention of `num_heads` heads, each with its share of the axis E, between linear maps
    (Vaswani et al. 2017).

    Shapes: query (L, N, E), key and value (S, N, E) -> (L, N, E) and weights (N, L, S); N first
    with `batch_first`; without N for one example.

    Raises:
        ValueError: the heads do not divide E.
        NotImplementedError: biases or zeros among the keys, or other lengths of keys and values.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: str | None = None,
        dtype: Any = None,
    ):
        super().__init__()
        lengths = {"kdim": kdim, "vdim": vdim}
        other = {name: n for name, n in lengths.items() if n not in (None, embed_dim)}
        absent = {"add_bias_kv": add_bias_kv, "add_zero_attn": add_zero_attn}
        refuse("MultiheadAttention", **absent, **other)
        if embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: {num_heads} heads do not divide {embed_dim}")
        self.embed_dim, self.num_heads = embed_dim, num_heads
        self.dropout, self.batch_first = dropout, batch_first
        how = {"device": device, "dtype": dtype}
        self.in_proj_weight = blank_parameter(3 * embed_dim, embed_dim, **how)
        self.register_parameter(
            "in_proj_bias", blank_parameter(3 * embed_dim, **how) if bias else None
        )
        self.out_proj = Linear(embed_dim, embed_dim, bias, **how)
        init.xavier_uniform_(self.in_proj_weight)
        if bias:
            init.zeros_(self.out_proj.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """The output and, if asked for, the weights, averaged over the heads or (N, heads, L, S).

        Args:
            key_padding_mask: (N, S), true for what is not attended to, or numbers to add.
            attn_mask: likewise (L, S), or (N · heads, L, S).
            is_causal: says that `attn_mask` is one; it changes nothing.
        """
        parts = [query, key, value]
        single, swap = query.ndim == 2, not self.batch_first
        if single:
            parts = [x.unsqueeze(0) for x in parts]
        elif swap:
            parts = [x.transpose(0, 1) for x in parts]
        weights = self.in_proj_weight.chunk(3)
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        n, length = parts[0].shape[:2]
        q, k, v = (
            F.linear(x, w, b).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for x, w, b in zip(parts, weights, biases, strict=True)
        )
        scores = q @ k.transpose(-1, -2) * (1 / math.sqrt(q.shape[-1]))
        if attn_mask is not None and attn_mask.ndim == 3:
            attn_mask = attn_mask.unflatten(0, (n, self.num_heads))
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.reshape(n, 1, 1, -1)
        for mask in (attn_mask, key_padding_mask):
            if mask is not None and mask.dtype.kind == "b":
                scores = F.where(mask, -math.inf, scores)
            elif mask is not None:
                scores = scores + mask
        # As in PyTorch, NaN where nothing is attended to, if there are weights to see it in.
        shares = scores.softmax(-1) if need_weights else masked_softmax(scores)
        shares = F.dropout(shares, self.dropout, self.training)
        y = self.out_proj((shares @ v).transpose(1, 2).reshape(n, length, self.embed_dim))
        y = y.squeeze(0) if single else y.transpose(0, 1) if swap else y
        if not need_weights:
            return y, None
        shares = shares.mean(1) if average_attn_weights else shares
        return y, shares.squeeze(0) if single else shares
