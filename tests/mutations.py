"""Small mistakes, each planted in a copy of the package: do the tests notice?

    python tests/mutations.py [--jobs 2] [NAME...]

A mistake is written like a diff, below a line that says what it is and who is to see it: files of
tests, or operations of tests/operations.py, whose gradients are checked to second order. The text
that it replaces must be found exactly once. With names, only mistakes in files, or seen by tests,
whose names contain one. Exits with status 1 if a mistake survives. PyTorch is not needed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

MISTAKES = """
# tape.py
the last of several paths counts alone | idea
-         self[node] = self.plus(self[node], gradient) if node in self else gradient
+         self[node] = gradient
a node is walked before all that use it | tensor
-                 if not uses[parent]:
+                 if uses[parent] <= 1:
what was kept is freed although retained | tensor
-             if node.kept and not retain:
+             if node.kept:
the walk takes every path, wanted or not | tensor
-             wanted.add(node)
-     return wanted
+             pass
+     return set(order)
no_grad inside no_grad ends both | tensor
-         mode.set(mode.get()[1])
+         mode.set((True, ()))
what a hook returns is not taken | ownership
-             gradient = gradient if changed is None else changed
+             pass
# modes.py
a generator records nothing even while it waits | tensor
-                     value = go_on(sent)
-             except StopIteration as end:
+                     value = go_on(sent)
+                 self.__enter__()
+             except StopIteration as end:
# copies.py
a copied leaf sends its gradients to the original | copies
-     return tensor.requires_grad_(requires_grad)
+     return tensor.requires_grad_(False)
copies of tensors on one array no longer share one | copies
-         array = memo[id(self._array)] = self._array.copy("K")
+         array = self._array.copy("K")
a pickled tensor forgets how its axes lie in memory | copies
-         axes = memory_order(array.strides)
+         axes = range(array.ndim)
# tensor.py
a detached tensor does not share the count of changes | tensor
-         same_memory(detached, self)
+         pass
rebound data does not share the count of changes | engine_versions
-         same_memory(self, given)
+         pass
what went out as an array does not share the count of changes | engine_versions
-         held_outside(self)
-         return self._array
+         return self._array
whole numbers may require a gradient by way of data | doors
-         if self.requires_grad and given.dtype.kind != "f":
+         if False:
any gradient is taken as a tensor's own | doors
-             if given != (self.shape, self.dtype, self.device):
+             if given[0] != self.shape:
a leaf of another shape loses its hooks | ownership
-             self._node.hooks = hooks
+             pass
data is a copy | ownership
-         data = self.detach()
+         data = Tensor(self._array.copy())
# differentiation.py
the first gradient is not copied, though others hold it | idea
-         gradient = gradient.clone()
+         pass
gradients replace what was there | idea
-         gradient = plus(tensor._grad, gradient)
+         pass
# backend.py
lists of float64 lose half their digits | tensor
- return hasattr(data, "dtype") and data.dtype == FLOAT64
+ return False
numbers beyond the largest wrap around | functional_extremes
- low - 1 < value < high + 1
+ low - 1 < value
# halves.py
float16 is computed in float16 | functional_extremes
- wide.value = value
+ pass
pullbacks of float16 compute in float16 | functional_extremes
- (in_float32(f), names)
+ (f, names)
formulas of several operations round each of them | functional_extremes
-         y = f(*map(_widened, args), **{name: _widened(x) for name, x in options.items()})
+         y = f(*args, **options)
# operands.py
an error does not say with which options | operation
-     operands = ", ".join(shown)
+     operands = ", ".join(shown[: len(named)])
an array without axes wraps around unseen | functional_extremes
-             require_fit(name, data.item(), dtype)
+             pass
a matrix keeps its own product | doors
-     return as_array(x) if is_array(x) else x
+     return x
# operation.py
a kept output is a constant in the second derivative | idea
-             nodes = dict(zip(self._keys(node.inputs), node.inputs, strict=True)) | {"y": node}
+             nodes = dict(zip(self._keys(node.inputs), node.inputs, strict=True)) | {"y": None}
an input by name is an option | engine_written
-         named = {name: options.pop(name) for name in self.inputs if name in options}
+         named = {name: options[name] for name in self.inputs if name in options}
an input may have a name that means something else | operation
-         for name in (RESERVED | operation.__kwdefaults__.keys()) & {*self.inputs}:
+         for name in ():
gradients are not summed where an input was broadcast | idea
-         if h.shape != parent.shape and self.elementwise:
+         if False:
what broadcasts is told nothing | operation
- ; if inputs may broadcast, say elementwise=True
+ .
what FLOPs are made of is not checked | operation
-         for name in set(names) - {*self.inputs, *self.options, *RESERVED}:
+         for name in set(names) - {*self.inputs, *self.options, *RESERVED, "weight"}:
# profile.py
what is moved counts as arithmetic | profile
-     if operation.exact:
+     if False:
what an operation says that it computes is not heard | profile
-     if operation.flops is None:
+     if True:
the whole table is read for a row of it | profile
- moved - max(arrays[0].size - y.size, 0) * arrays[0].itemsize
+ moved
# engine/versions.py
the first change in place is overlooked | tensor
-     if cell is not None and cell[0] != before:
+     if cell is not None and cell[0] > before + 1:
a number of another library is watched by nobody | engine_versions
-         cell = shared_cell(x)
-         return x, False, cell, cell[0]
+         return x, False, None, 0
# engine/gradients.py
the last of several paths counts alone, in the engine | tensor
-             gradient = _plus(before, gradient, alone)
+             pass
shares of a leaf overtake a late one | engine_gradients
-         if type(gradient) is Task or (self._line and node in [n for n, _ in self._line]):
+         if type(gradient) is Task:
the walk waits for another thread | engine_gradients
-             if len(self._line) > limits.now.late_at_once:
+             if True:
another thread records what it computes | engine_gradients
-     with recording(False):
+     with recording(True):
a late gradient keeps the shape of its output | engine_gradients
-         return op.fitted(pullback(g, *arguments), leaf)
+         return pullback(g, *arguments)
a part is added to a sum that others hold | engine_gradients
-         mine = type(total) is Tensor and _holders(total) == _HELD_ONCE
+         mine = type(total) is Tensor
parts whose places repeat are added at once | engine_gradients
-             return False  # places may repeat
+             pass
a gradient that others hold becomes a tensor's own | tensor
-     elif _holders(gradient) == _SOLE and
+     elif
a sum is written where a gradient lies that others hold | engine_gradients
-             alone = _holders(before) == _HELD_ONCE
+             alone = True
a sum is written into a `grad` that the user holds | engine_gradients
-         alone = _holders(before) == _HELD_ONCE
-         tensor._grad
+         alone = True
+         tensor._grad
a sum is written where only a part of an array is held | tensor
-         and held_alone(x)
+         and True
a kept output is a constant in the second derivative, in the engine | exp, softmax
-                 x._node = node if name == "y" else node.inputs[op.inputs.index(name)]
+                 x._node = None if name == "y" else node.inputs[op.inputs.index(name)]
# engine/written.py
a view does not share the count of changes | tensor
-         f"        _y._version = {name}._version or _version_of({name})",
+         "        pass",
dtypes that differ are not brought together | engine_written
-     if others:
+     if False:
float16 is computed as it comes | engine_written
-         if not op.exact:
+         if False:
an array of any dtype is taken as it comes | engine_written
- {name}.dtype in _INDICES and
+ True and
an input is kept though no pullback needs it | tensor
-     users = [i for i in recorded if name in op.needed([op.inputs[i]])]
+     users = recorded
what only one pullback needs is kept for all | engine_written
-     if users != recorded and not op.joint:
+     if False:
# engine/calls.py
arrays on a card and off it are computed together | cuda_devices
-             raise mixture(op.name, named_arrays(op, arrays, options))
+             pass
# engine/memories.py
what overlaps is told apart | engine_versions
-         together += _regions[end].owners
+         pass
memory of NumPy's own is not looked for by address | engine_versions
-             for owner in list(_owners.values()):
+             for owner in [new]:
memory that is used again is remembered | engine_versions
-     found = _owners.pop(id(owner), None)
+     found = None
# functional/shape.py
a part of data does not know that it is one | functional_inplace
- weakref.ref(whole), whole._array, key, views, free
+ weakref.ref(whole), whole._array, key, views, None
an array of bytes is one of places | functional_inplace
-         if is_array(k) and k.dtype == np.uint8:
+         if False:
an index is kept uncopied | engine_versions
-     return index._array.reshape(-1).copy()
+     return index._array.reshape(-1)
# backend.py
another byte order stays | doors
-     known = DTYPES.get(dtype) or DTYPES.get(dtype.newbyteorder("="))
+     known = DTYPES.get(dtype) or dtype
a mask is forgotten | doors
-     if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
+     if False:
numbers wrap around | doors
-         if numbers and dtype is not None and dtype.kind in "iu":
+         if False:
a copied stream begins anew | copies
-     self.load_state_dict(state)
+     self.manual_seed(state["seed"])
# nn/utils.py
squares of float16 gradients overflow | nn_utils
- (a.astype(FLOAT32) if a.dtype == FLOAT16 else a).reshape(-1)
+ a.reshape(-1)
a negative axis has no length of its own | nn_utils
- d != self.dim % v.ndim
+ d != self.dim
# nn/attention.py
shares are dropped in evaluation | nn_layers
- self.dropout, self.training)
+ self.dropout, True)
# nn/loss.py
the axis of a cosine is the default one | nn_layers
- F.cosine_similarity(x1, x2, self.dim, self.eps)
+ F.cosine_similarity(x1, x2, eps=self.eps)
# nn/module.py
what comes late is found where None was | nn_module
-             attributes.pop(name, None)  # so that it comes behind those that belong here already
+             pass
places of parameters that are None are not kept | nn_module
-         if value is None and kind is not Tensor:
+         if False:
places of modules that were set to None are not kept | nn_module
-         if value is None and kind in (Parameter, Module):
+         if value is None and kind is Parameter:
what is set by a private name is not set in the module | nn_module
-             setattr(self._module, name, value)
+             pass
what is deleted by a private name stays | nn_module
-         delattr(self._module, name)
+         pass
a copied module shares the register of buffers | copies
-             attributes["_persistent"] = dict(self._persistent)
+             pass
a copied module shares its hooks | copies
-             attributes["_hooks"] = tuple(map(list, self._hooks))
+             pass
# gradcheck.py
covectors are ones | gradcheck
- covectors = [rng.standard_normal(y.shape) for y in before]
+ covectors = [np.ones(y.shape) for y in before]
a difference has one side | gradcheck
- (along(f, x, u, v, eps) - along(f, x, u, v, -eps)) / (2 * eps)
+ (along(f, x, u, v, eps) - along(f, x, u, v, 0)) / eps
gradients with and without a graph may differ | gradcheck
-             if not difference <= atol + rtol * math.sqrt(np.square(a.numpy()).sum()):
+             if False:
the place named is the first one | gradcheck
-         if not abs(ours - theirs) <= worst:
+         if worst < 0:
each call draws another mask | gradcheck
-             backend.default_generator.load_state_dict(state)
-         outputs
+             pass
+         outputs
# optim/adagrad.py
Adadelta's moves are averaged after the rate | optim
-             average_square(u, rho, d, out=b)
-             d *= lr
+             d *= lr
+             average_square(u, rho, d, out=b)
Adagrad's rate falls a step too early | optim
-         rate = float(group["lr"]) / (1 + state.get("step", 0) * float(group["lr_decay"]))
-         state["step"] = state.get("step", 0) + 1
+         state["step"] = state.get("step", 0) + 1
+         rate = float(group["lr"]) / (1 + state.get("step", 0) * float(group["lr_decay"]))
# optim/lr_scheduler.py
a second scheduler undoes what the first has done | optim_lr_scheduler
-                 if group["lr"] != own != low:
+                 if False:
a scheduler of absolute rates goes on from what it finds | optim_lr_scheduler
-         if self.chains and self.multiplier() is not None:
+         if self.multiplier() is not None:
a milestone counts a step late | optim_lr_scheduler
-         return self.gamma ** bisect_right(self.milestones, self.last_epoch)
+         return self.gamma ** bisect_right(self.milestones, self.last_epoch - 1)
a plateau is left a step too early | optim_lr_scheduler
-         if self.num_bad_epochs > self.patience:
+         if self.num_bad_epochs >= self.patience:
# optim/optimizer.py
what one's own optimiser remembers comes back as arrays | optim
- Tensor(x).clone().to(p.device)
+ x
what one's own optimiser remembers is shared with the file's state | optim
- Tensor(x).clone().to(p.device)
+ Tensor(x).to(p.device)
there is no state of a parameter that was never updated | optim
-         self.state = defaultdict(dict, state)
+         self.state = state
a parameter takes the step of those that it is updated with | optim
- state.get("step"), *state
+ *state
what is remembered of parameters updated as one is not put back | optim
-                 kept[...] = value[start:end].reshape(x.shape)
+                 pass
a closure is called unrecorded | optim
-             with enable_grad():
-                 loss = closure()
+             loss = closure()
# nn/init.py
a matrix is orthogonal, but not of every kind alike | nn_init
-     q *= gain * np.sign(np.diagonal(r))  # else not all orthogonal matrices were equally likely
+     q *= gain
# nn/hooks.py
what a backward hook returns is not taken | nn_module
-             gradients = tuple(changed)
+             pass
# optim/formulas.py
weight decay climbs with the gradient | optim
- (np.subtract if group["maximize"] else np.add)
+ np.add
the mean square is one of the gradients | optim
-     np.multiply(g, g, out=out)
+     np.multiply(g, np.sign(g), out=out)
eps is added below the root | optim
-     np.sqrt(v, out=out)
-     out += eps
+     np.add(v, eps, out=out)
+     np.sqrt(out, out=out)
# optim/adam.py
eps is not corrected for the start at 0 | optim
- float(group["eps"]) * root
+ float(group["eps"])
amsgrad divides by the present mean square | optim
-                 v = np.maximum(top, v, out=top)
+                 np.maximum(top, v, out=top)
# optim/average.py
buffers are averaged | optim_average
-         if not self.use_buffers:
+         if False:
averages of float16 are kept in float16 | optim_average
-             dtype = exact(value.dtype)
+             dtype = value.dtype
what does not change is rounded at each update | optim_average
-         average(mean, decay, value, out=share)  # exact, where a value does not change
+         mean *= decay
+         mean += np.multiply(value, 1 - decay, out=share)
unit vectors are averaged | optim_average
-         return {f"{path}.{n}".lstrip(".") for path, m in modules for n in m._unaveraged}
+         return set()
the average keeps to a decay for longer trainings | optim_average
-             decay = min(decay, (1 + k) / (10 + k))
+             pass
# sparse.py
a row that is named twice counts once | functional_values
-             add_at(total, places.reshape(-1), values)
+             total[places.reshape(-1)] = values
# functional/arguments.py
width and height for height and width | functional_values
- return values if len(values) == 2
+ return values[::-1] if len(values) == 2
the last place is one too many | functional_extremes
- <= places.max() < length
+ <= places.max() <= length
# functional/pointwise.py
bits of a number widen those of a tensor with axes | functional_values
-     return np.bitwise_or(input, other).astype(result_type(input, other), copy=False)
+     return np.bitwise_or(input, other)
the derivative of expm1 is its value | expm1
- input=lambda g, y: g * (y + 1))
+ input=lambda g, y: g * y)
what is rounded has a gradient | floor
- @operation(elementwise=True, input=nothing)
- def floor(
+ @operation(elementwise=True, input=lambda g: g)
+ def floor(
decimals before the point are rounded after it | functional_pytorch_names
- if decimals > 0 else
+ if decimals > -9 else
# functional/arithmetic.py
a divisor has no gradient in what is left | remainder
-     other=lambda g, input, other: -g * div(input, other, rounding_mode="floor"),
+     other=lambda g, input, other: g * 0 * other,
what is left has the sign of what was divided | functional_pytorch_names
-     return np.remainder(input, other)
+     return np.fmod(input, other)
# functional/elementary.py
the sine's angle turns the wrong way | acos
- @operation(elementwise=True, floating=True, input=lambda g, input: -g * rsqrt(1 - input * input))
+ @operation(elementwise=True, floating=True, input=lambda g, input: g * rsqrt(1 - input * input))
a number of xlogy has a say in the dtype | functional_operations
-     return functions.xlogy(input, other).astype(result_type(input, other), copy=False)
+     return functions.xlogy(input, other)
an angle's gradient is not divided by the distance | atan2
-     return where(square == 0, 0.0, g / where(square == 0, 1.0, square))
+     return where(square == 0, 0.0, g)
# functional/compositions.py
of two in the middle the median takes the upper | functional_compositions
- middle = chosen(nans > 0, n - nans, (n - 1) // 2)
+ middle = chosen(nans > 0, n - nans, n // 2)
equals of the median get all of its gradient | functional_compositions
- chosen(equals, g / count_nonzero(equals), 0.0)
+ chosen(equals, g, 0.0)
what may attend to nothing gets NaN | functional_compositions
- return chosen(nothing, 0.0, softmax(chosen(nothing, 0.0, scores), -1))
+ return softmax(scores, -1)
a quantile counts from a place too far | functional_compositions
- reshape(shares.to(input.device), -1) * (len(ordered) - 1)
+ reshape(shares.to(input.device), -1) * (len(ordered) - 1.5)
a hard choice has no gradient | functional_compositions
-     return choice - y.detach() + y
+     return choice - y.detach() + y.detach()
a causal mask shows what comes later | functional_compositions
-         attn_mask = square.tril()
+         attn_mask = square.triu()
a moved axis stands at the end | functional_compositions
-         order.insert(place, d)
+         order.append(d)
# functional/reduction.py
a number without axes has no memory to be squared in | functional_values
- centred *= centred
+ np.square(centred, out=centred)
few numbers are squared before they are added | sum
- input.dot(pixels.ones(input.size, input.dtype))
+ input.dot(input)
a running product forgets what is far behind | functional_pytorch_names
-         input, step = cat([first, later * earlier], dim), 2 * step
+         input, step = cat([first, later * earlier], dim), 3 * step
from the largest on, places are counted from the end | functional_pytorch_names
-         places = input.shape[dim] - 1 - np.flip(places, dim)
+         places = np.flip(places, dim)
# functional/moves.py
a diagonal is a copy | functional_compositions
-     y = input.diagonal(offset, -2, -1)
+     y = input.diagonal(offset, -2, -1).copy()
gradients of a diagonal go a place too far right | diagonal
- first = offset if offset >= 0 else -offset * m
+ first = offset + 1 if offset > 0 else -offset * m
the gradient of a triangle fills the matrix | tril
- input=lambda g, k, upper: triangle(g, k=k, upper=upper)
+ input=lambda g, k, upper: g
# functional/shape.py
more is scattered than there are places for | functional_pytorch_names
-     if isinstance(src, Tensor) and src.shape != shape:
-         src = moves.index(src, key=tuple(map(slice, shape)))
+     if isinstance(src, Tensor) and src.shape != shape:
+         src = moves.index(src, key=tuple(slice(-n, None) for n in shape))
# functional/arguments.py
a foreign tensor's dtype is blamed, not that it is foreign | functional_compositions
-  and not foreign:
+ :
a caller without a module's name gets no warning | functional_pytorch_names
- str(frame.f_globals.get("__name__")).startswith
+ frame.f_globals["__name__"].startswith
a second axis is taken for keepdim | functional_errors
-         if len(args) > flag and _whole(args[flag]):
+         if False:
losses broadcast (N, 1) with (N,) | functional_errors
-     if len({x.ndim for x in tensors}) > 1:
+     if len(tensors) < 1:
axis= and dim= may both be said | functional_pytorch_names
- if other in options and name not in options:
+ if other in options:
# functional/methods.py
methods do not say what was given in place of a tensor | functional_compositions
- asking_for_tensors(getattr(F, name), 1))
+ getattr(F, name))
a retained gradient is that before the hooks | ownership
-         keep.last = True
+         pass
a gradient is retained twice | ownership
- if not self.is_leaf and not any(getattr(hook, "last", False) for hook in self._node.hooks):
+ if not self.is_leaf:
a gradient on the way replaces the last one | functional_pytorch_names
-                 accumulate(tensor, gradient)
+                 tensor.grad = gradient
a new tensor is not of this one's dtype | functional_pytorch_names
- {"dtype": self.dtype, "device": self.device} | options)
+ {"device": self.device} | options)
None is compared element by element | functional_pytorch_names
- return compare(self, other) if known else NotImplemented
+ return compare(self, other)
# functional/loss.py
targets of a coin may be any number | functional_errors
- for what, data in ("inputs", input._array), ("targets", target._array):
+ for what, data in [("inputs", input._array)]:
a target that broadcasts is taken without a word | functional_pytorch_names
-     if isinstance(target, Tensor) and target.shape != input.shape:
+     if False:
size_average=False is a mean | functional_pytorch_names
- "mean" if mean else "sum"
+ "mean"
targets to be ignored count once there are no weights | functional_extremes
- valid.size > 0 and bool(valid.all())
+ valid.size > 0
# functional/random.py
a place without a probability is drawn | functional_pytorch_names
- (u[..., None] >= ends[..., None, :])
+ (u[..., None] <= ends[..., None, :])
the last whole number is never drawn | functional_pytorch_names
- FLOAT64) * (high - low)
+ FLOAT64) * (high - low - 1)
# modes.py
a switch outlives the block that it stands in | functional_pytorch_names
-         tape.mode.set((self.enabled, self._before[1]))
+         tape.mode.set((self.enabled, self._before))
# functional/pointwise.py
a sign: the second input of a difference | sub
- other=lambda g: -g)
+ other=lambda g: g)
the derivative of 1/x, without its square | div
- -g * y / other
+ -g * y
the second derivative of exp is lost by a detach | exp
- lambda g, y: g * y)
+ lambda g, y: g * y.detach())
at a tie both inputs of maximum get the whole gradient | functional_values
- where(larger == smaller, g / 2, where(larger < smaller, 0.0, g))
+ where(larger < smaller, 0.0, g)
the bounds of clamp do not belong to its inside | functional_values
- where((input >= low) & (input <= high), g, 0.0)
+ where((input > low) & (input < high), g, 0.0)
the derivative of a constant is a product with 0 | functional_extremes
-     return namespace(input).zeros_like(input)
+     return input * 0
a bound of NaN bounds nothing | functional_values
- where((input < min) | _is_nan(min), min, input)
+ where(input < min, min, input)
# functional/arithmetic.py
alpha is left to the first operand's dtype | functional_values
-     return converted(other, dtype) * alpha
+     return other * alpha
alpha is forgotten in the gradient | add scaled, sub scaled
-     return converted(other, dtype) * alpha
+     return converted(other, dtype) + other.detach() * (alpha - 1)
integers are rounded down, not to 0 | functional_values
- input - np.fmod(input, other), other
+ input, other
# functional/activation.py
elu bends at 0 | functional_extremes
- where(output < 0, h * g, 0.0),
+ where(output <= 0, h * g, 0.0),
the slope of silu is of a rounded output | functional_extremes
- @in_float32  # its slope needs more digits of the output than float16 has
- @operation(elementwise=True, floating=True, input=lambda g, input, y: _silu
+ @operation(elementwise=True, floating=True, input=lambda g, input, y: _silu
half of gelu is taken of what overflowed | functional_extremes
- input * ((tanh(inner) + 1) * 0.5)
+ input * (tanh(inner) + 1) * 0.5
integers leave hardtanh as floats | functional_values
-     if input.dtype.kind in "iu":
-         return clamp(
+     if False:
+         return clamp(
softmax forgets the dtype | functional_values
-     input = input if dtype is None else converted(input, dtype)
-     require_floating("softmax", input)
+     require_floating("softmax", input)
the derivative of a gate is not a gate | leaky_relu
- _gate(h, like, slope=slope)
+ h
what is inside the bounds is forgotten in the second derivative | hardtanh low, hardtanh high
- g=lambda h, like, low, high: _inside(h, like, low=low, high=high)
+ g=lambda h, like, low, high: h
the slope of a slope lacks a sigmoid | logsigmoid
- h * _times_sigmoid(g, input) * sigmoid(-input)
+ h * _times_sigmoid(g, input)
log softmax: its logarithms are constants in the second derivative | log_softmax
- -h * logs.exp() * g.sum(dim, keepdim=True)
+ -h * 0 * logs.exp() * g.sum(dim, keepdim=True)
softmax: its shares are constants in the second derivative | softmax
- return h * (g - mean) - g * change
+ return h * (g - mean)
the curvature of silu is that of sigmoid | silu
- (2 + input * (1 - 2 * s))
+ (1 - 2 * s)
the curvature of gelu is that of its density | gelu
- (2 - square) * exp(
+ (1 - square) * exp(
# functional/reduction.py
sums over axes in front alone: axes of length 1 stay | add
-         if n != lengths[i]:
-             dims.append(i)
+         if n != lengths[i]:
+             pass
a factor: the variance | var
- (2 / n if n else math.nan)
+ (1 / n if n else math.nan)
logsumexp: its own value is a constant | logsumexp
- exp(input - where(y == -math.inf, 0.0, y))
+ exp(input - where(y == -math.inf, 0.0, y.detach()))
equals each get the whole gradient of amax | functional_values
- _with_ones(g, shape, dims) / count, 0.0)
+ _with_ones(g, shape, dims), 0.0)
an expanded tensor cannot be written, nor a part of it | functional_extremes
-         y.flags.writeable = True
+         pass
each half of a product gets its own factor, not the other's | prod
- others = cat([others * b, others * a], dim)
+ others = cat([others * a, others * b], dim)
# functional/shape.py
any negative length is worked out | functional_errors
-     if y.shape != to and min(to) < -1:
+     if False:
a piece may have a negative length | functional_errors
- or min(lengths, default=0) < 0:
+ or False:
an array as an index is not copied | doors
-             k = as_array(k).copy()
+             k = as_array(k)
places count from the end | functional_extremes
- if out_of_range(index, length):
+ if out_of_range(index % length, length):
a gather of fewer rows is a fault | functional_values
- n > m and i != dim for
+ n != m and i != dim for
an axis of no length is one piece | functional_values
- -(-length // chunks) or [0] * chunks
+ max(1, -(-length // chunks))
what is left of an axis is told by NumPy | functional_values
- and (known := -math.prod(sizes)) > 0:
+ and (known := -math.prod(sizes)) < 0:
# functional/moves.py
a permutation for its inverse | permute
- tuple(sorted(range(len(dims)), key=dims.__getitem__))
+ dims
each part of a cat gets the first piece | cat, stack
- slice(end - length, end))) if need
+ slice(0, length))) if need
an element that is taken twice counts once | index, index_select
- rows.add_at(y, key, input)
+ y[key] = input
what is flipped is a view | functional_extremes
- input[tuple(turned)].copy(order="K")
+ input[tuple(turned)]
rolled on, not back | roll
- -s for s in shifts
+ s for s in shifts
# functional/linear.py
a product is not summed over the axes that were broadcast | matmul
- (_t(input) @ g).sum_to_size(shape)
+ (_t(input) @ g)
the bias is seen by the last row alone | linear
- bias=lambda g, shape: g.sum_to_size(shape)
+ bias=lambda g, shape: g.reshape(-1, *shape)[-1]
# functional/convolution.py
the bias of a transposed convolution is forgotten | functional_values
- _conv2d_input(input, weight, bias, problem=problem)
+ _conv2d_input(input, weight, None, problem=problem)
the weight's gradient is a constant in the input | conv2d
- weight=lambda g, input, problem: _conv2d_weight(input, g,
+ weight=lambda g, input, problem: _conv2d_weight(input.detach(), g,
the odd zero of padding="same" is on the left | functional_values
- (0, total[1] % 2, 0, total[0] % 2)
+ (total[1] % 2, 0, total[0] % 2, 0)
# functional/image.py
rows and columns of shuffled pixels are exchanged | functional_values
- permute(0, 4, 2, 5, 3, 1)
+ permute(0, 4, 3, 5, 2, 1)
margins are cropped from the wrong ends | pad
- before=[-b for b in before], after=[-a for a in after]
+ before=[-a for a in after], after=[-b for b in before]
the mirror shows the last pixel twice | functional_values
- n - 1 - np.abs(n - 1 - np.abs(entries))
+ (n - np.abs(n - np.abs(entries))).clip(0, n - 1)
a circle goes through what was cropped | functional_values
- first, last = max(-b, 0), n - max(-a, 0)
+ first, last = 0, n
windows that lie side by side overlap | functional_values
-     steps = kernel_size if stride in (None, ()) else stride
+     steps = 1 if stride in (None, ()) else stride
the last window begins in the padding | functional_values
-         if ceil_mode and (out - 1) * s >= n + p:
+         if False:
# functional/inplace.py
what is recorded of data is not in their memory | functional_inplace
-     return (others, outside) if free is None else (others - free, True)
+     return (others, outside) if free is None else (others - free, outside)
whose data they are ought to follow | functional_inplace
-     if others >= len(chain) + len(parts):
+     if sharers(tensor)[0] >= len(chain) + len(parts):
a coin's chance may be 2 | functional_errors
-     if on_host(chance) and not np.all((chance >= 0) & (chance <= 1)):
+     if False:
numbers are written as float32 into float64 | functional_inplace
-     return as_array(value, dtype if exact and dtype.kind == "f" else None)
+     return as_array(value)
options in place are forgotten | functional_values
-         if ufunc is None or options or _recorded(name, self, *args):
+         if ufunc is None or _recorded(name, self, *args):
a leaf that requires a gradient is changed in place | functional_inplace
-     if any(t.is_leaf and t.requires_grad for t in chain):
+     if any(t.is_leaf and t.requires_grad for t in chain[1:]):
what could not follow a change is not asked for | functional_inplace
-     if others >= len(chain) + len(parts):
+     if others > 10:
the whole does not change with its part | functional_inplace
-         chain.append(whole)
+         break
a tensor follows what it was taken from into other data | functional_inplace
-     return whole if whole is not None and whole._array is taken[1] else None
+     return whole
parts that a result was made of stay behind | functional_inplace
-     for part, whole in [*((p, w) for w, p in pairwise(chain[::-1])), *parts]:
+     for part, whole in ((p, w) for w, p in pairwise(chain[::-1])):
a part that was taken unrecorded changes its whole unrecorded | functional_inplace
-         if whole.requires_grad and not part.requires_grad:
+         if False:
what pullbacks need is lost to an array outside | functional_inplace
-     source = tensor.clone() if _sharers(tensor)[1] else tensor
+     source = tensor
an array outside does not change with its tensor | functional_inplace
-     if outside:
+     if False:
a part is written again into its whole | functional_inplace
-         and value._version is self._version is not None
+         and False
# functional/shape.py
a part is taken again by an index that has changed | functional_inplace
- whole._array, key, views, free
+ whole._array, key, key, free
# anomaly.py
who looks on holds the arrays | functional_inplace
-         if backward or (found := _strange(output._array)) is None:
+         if backward or (found := _strange(output.array)) is None:
# functional/moves.py
of a place named twice every value has a gradient | functional_inplace
-     return xp.where(last[views][copies] == order, picked, xp.zeros((), input.dtype))
+     return picked
# engine/versions.py
tensors in one memory are told apart | functional_inplace
-         t._version = version_of(other)
+         t._version = [version_of(other)[0]]
# backend.py
whatever is called a generator is asked for numbers | backend
-     if not isinstance(generator, Generator):
+     if False:
what NumPy made a scalar is no array any more | functional_values
-     if isinstance(array, np.generic):  # as NumPy returns arrays without axes
+     if False:
a half of a number below 1 is rounded up to 1 | functional_values
- numbers = (np.floor(numbers * 2048) / 2048).astype(dtype)
+ numbers = numbers.astype(dtype)
# functional/normalization.py
running statistics of examples move by the biased variance | functional_values
-                 seen.mul_(1 - momentum).add_(moment(input, axes).mean(0), alpha=momentum)
+                 options = {"correction": 0} if moment is var else {}
+                 part = moment(input, axes, **options).mean(0)
+                 seen.mul_(1 - momentum).add_(part, alpha=momentum)
an empty batch spoils running statistics | functional_values
- if seen is not None and input.numel():
+ if seen is not None:
mean and variance are constants | batch_norm training
-     if not is_grad_enabled():
+     if True:
the spread is held fixed | layer_norm
-     inner = g - g.mean(over, keepdim=True) - normal * (g * normal).mean(over, keepdim=True)
+     inner = g - g.mean(over, keepdim=True)
running statistics change unnoticed | functional_values
-             increment_version(seen)
# functional/loss.py
a loss takes a private name | names
- from minigen.functional import moves
+ from minigen.functional import moves
+ from minigen.functional.activation import _relu
a mean of nothing is infinite | functional_extremes
-         return total / count * (count / count)
+         return total / count
a mean of nothing makes the weights NaN | functional_extremes
- g / where(count == 0, math.inf, count)
+ g / count
the target's gradient has the input's sign | mse_loss
- _error_slope(g, target, input)
+ _error_slope(g, input, target)
the second derivative of a squared error is halved | mse_loss
- input=lambda h, g: 2 * (h * g)
+ input=lambda h, g: h * g
a sign: the targets of the GAN's loss | binary_cross_entropy_with_logits
- target=lambda g, input: -g * input
+ target=lambda g, input: g * input
# optim/optimizer.py
the squares of float16 gradients are kept in float16 | functional_extremes
-     return FLOAT32 if dtype == FLOAT16 else dtype
+     return dtype
a thread begins each parameter where the last one ended | optim
- start, end = max(first - before, 0),
+ start, end = first if before else first - before,
on a GPU float16 is calculated in float16 | optim
-             _apply(formula, arrays)
-             continue
+             formula(*arrays, np.empty_like(first), np.empty_like(first))
+             continue
a state has done any number of steps | optim
-         elif value >= 0 and float(value).is_integer():
+         elif value >= 0:
an option out of range is loaded | optim
-             self._check(option)
-         return options
+         return options
a setting out of a file may be of any kind | training_loop
-     if own is not None and not kinds(saved) <= kinds(own):
+     if False:
# functional/embedding.py
the padding row learns | functional_values
- else rows != padding_idx
+ else rows == rows
# functional/inplace.py
x[i] = y is not counted as a change | tensor
-     _write(name, array, copies or ..., _raw(name, value, array.dtype))
-     increment_version(self)
+     _write(name, array, copies or ..., _raw(name, value, array.dtype))
what an integer cannot hold is told in terms of casts | functional_errors
-             raise TypeError(f"{name}: {array.dtype} cannot hold the result") from error
+             raise
an array of nothing counts as one number in memory | nn_module
-     if array.size and any(
+     if any(
one number in memory is written several times | functional_extremes
- step == 0 and n > 1 for
+ False for
# functional/random.py
what dropout keeps is not scaled on the way back | dropout
- _dropout(g, mask, scale=scale)
+ _dropout(g, mask, scale=1.0)
# kernels/phases.py
a wrong phase: padding moves the other way | kernels_convolution
- if (first + padding - r * dilation) % stride == 0
+ if (first - padding - r * dilation) % stride == 0
# kernels/problem.py
a filter of few outputs runs backwards | kernels_convolution
- tuple(range(-sign * p, sign * (k * d - p), sign * d) for
+ tuple(range(-sign * p, sign * (k * d - p), sign * d)[::sign] for
pixels are added where the padding is not | kernels_convolution
- sign * (k * d - p), sign * d)
+ sign * k * d - p, sign * d)
# kernels/convolution.py
windows of the smaller image jump where those of the other do | kernels_convolution
- lambda p: p.forward.plain and p.stride == (1, 1)
+ lambda p: p.forward.plain
a pixel adds to an output for each tap, whatever the stride | kernels_convolution
- (m.transposed or m.problem.stride == (1, 1))
+ True
# kernels/ways.py
the dearest way is taken | kernels_convolution
- key=lambda way: way.cost(what)
+ key=lambda way: -way.cost(what)
what a way refuses is a result | kernels_convolution
-         if y is not None:
+         if True:
a way is asked for what it cannot | kernels_convolution
- (w for w in ways if w.can(what))
+ ways
a preference outlives its block | kernels_convolution
-         _preferred.remove(name)
+         pass
# kernels/direct.py
windows are cut for the threads of the first call | kernels_convolution
- filters, backend.threads(), limits.now)
+ filters, 1, limits.now)
windows are cut by the limits of the first call | kernels_convolution
- filters, backend.threads(), limits.now)
+ filters, backend.threads(), Limits())
windows of the next pixel along a row are those of the next row | kernels_convolution
- hops = a.hop * sy, b.hop * sx,
+ hops = a.hop * sy, b.hop * sy,
windows in the order of filters have their taps turned | kernels_convolution
- windows[..., r, s, first:last]
+ windows[..., s, r, first:last]
the product adds no bias | kernels_convolution
-         whole[:, :, depth:] = 1
+         whole[:, :, depth:] = 0
pixels that meet no tap get no bias | kernels_convolution
- y[...] = 0 if bias is None else bias
+ y[...] = 0
the last chunk of images is the whole weight gradient | kernels_convolution
-                 total += out
+                 total[...] = out
# kernels/cuda/geometry.cuh
a transposed convolution counts its taps upward | cuda_convolution
-           tap, -a.tap_step, (tap + a.tap_step) / a.tap_step,
+           tap, a.tap_step, (tap + a.tap_step) / a.tap_step,
later taps meet earlier inputs | cuda_convolution
- 1, a.tap_step * a.dilation / a.stride};
+ 1, -a.tap_step * a.dilation / a.stride};
# kernels/cuda/tile.cuh
the loader's taps stand still where its pixels move | cuda_convolution
- met(x, p, part, own[i] + moving));
+ met(x, p, part, own[i]));
the loader reads weights beyond the last tap | cuda_convolution
-     const int columns = b_walk.done(part) ? 0 : p.K;
+     const int columns = p.K;
# kernels/cuda/product.cuh
the last slice is not fetched | cuda_convolution
-       if (BUFFERS == 2 && k0 + BK < depth) load.fetch();
+       if (BUFFERS == 2 && k0 + 2 * BK < depth) load.fetch();
# kernels/cuda/conv2d_weight.cu
a transposed gradient for the weight is not turned round | cuda_convolution
- (swapped ? taps - 1 - tap : tap)
+ tap
# kernels/cuda/convolution.py
taps of a phase lie a stride apart, whatever the dilation | cuda_convolution
-     return stride // math.gcd(stride, dilation) if transposed else 1
+     return stride if transposed else 1
# kernels/depthwise.py
the filter of a channel has its rows for columns | kernels_convolution
- of_columns].transpose(1, 2, 0)
+ of_columns].transpose(2, 1, 0)
of a channel's gradient only the last images count | kernels_convolution
- of_taps[r, s] += np.einsum(
+ of_taps[r, s] = np.einsum(
columns that windows jump over are met by the first taps | kernels_convolution
- left + first * column.skip ::
+ left ::
# kernels/places.py
few places are looked up in the first row | kernels_places
-         return x[places(index, dim)]
+         return x[places(index * 0, dim)]
places of the first axis are those of the first part | kernels_places
- begin = first if i == 0 else 0
+ begin = 0
a place named twice counts once along a flat array | kernels_places
- np.add.at(flat, where.reshape(-1), x[first:last].reshape(-1))
+ flat[where.reshape(-1)] = x[first:last].reshape(-1)
# kernels/scatter.py
taps in the margin are left out of a filter that is not finite | kernels_convolution
- if margin and not is_finite(np.ascontiguousarray(w)):
+ if False:
the margin is added to the few pixels that there are | kernels_convolution
- inner[...] = total[:, top, left]
+ inner[...] = total[:, : what.size[0], : what.size[1]]
rows of a large image are added to its first | kernels_convolution
- rows.start + top * rows.step
+ rows.start
taps that meet the same block meet its first pixel | kernels_convolution
- met = slice(0, len(some) * taps.step, taps.step)
+ met = slice(0, len(some))
the last block of pixels lies beyond the frame | kernels_convolution
- size = max(size, lo + some[0] + length * step)
+ pass
# kernels/winograd.py
a sum is taken for a difference | kernels_convolution
- b=((1, 0, -1, 0), (0, 1, 1, 0)
+ b=((1, 0, 1, 0), (0, 1, 1, 0)
the bias is added to one output of a tile | kernels_convolution
- add_to_pixels(product[tiles.places[1] + 1], bias)
+ add_to_pixels(product[0], bias)
strands of a strided filter begin at one pixel | kernels_convolution
- skip * sy, near * sx, sc)
+ 0, near * sx, sc)
half-empty tiles keep what was there before | kernels_convolution
- outputs[...] = 0  # half-empty tiles
+ pass
rows of tiles that a band does not have are taken for its first | kernels_convolution
- top, left = self.starts[0] + 2 * share[0] * hop, self.starts[1]
+ top, left = self.starts[0], self.starts[1]
a turned sum keeps the sign of its first term | kernels_convolution
- np.positive if coefficients[first] > 0 else np.negative
+ np.positive
an infinite pixel spoils its tile | kernels_convolution
- if not is_finite(some):
+ if False:
a gradient that an infinite pixel spoils is taken | kernels_convolution
- return w if is_finite(w) else None
+ return w
outputs that no tap meets are in no tile | kernels_convolution
-     if not (what.plain and what.covered):
+     if not what.plain:
# __init__.py
a command gets a traceback for nonsense in the environment | demos_flags
-     _sys.exit(f"minigen: {error}")
+     raise
# kernels/limits.py
limits outlive their block | kernels_limits
-         now = _used[-1]
+         pass
a limit may be no number at all | kernels_limits
-             if not (good and
+             if not (True and
# kernels/blas.py
sums in pieces get a one, which is a piece of its own | kernels_convolution
-     return in_pieces_pays(m, k, n, False) and pieces(m, k, n, False)[1] < k
+     return False
the margin multiplies a filter that is not finite | kernels_convolution
- y if is_finite(min(y, w, key=np.size)) or is_finite(w) else None
+ y
a copy by lines is that of the first matrix | kernels_convolution
-         lines[...], b = b, lines
+         lines[...], b = b[(0,) * (b.ndim - 2)], lines
rows begin 16 bytes after lines | kernels_convolution
-     first = -whole.ctypes.data % LINE // dtype.itemsize
+     first = 16 // dtype.itemsize
products are cut by the limits of the first call | kernels_convolution
- _cuts(out.size // (m * n or 1), m, k, n, turned, limits.now)
+ _cuts(out.size // (m * n or 1), m, k, n, turned, Limits())
the rows that fill no piece are left out | kernels_convolution
- if whole < length:
+ if False:
each of a few matrices is the first one's product | kernels_convolution
- out[i] = a[i].dot(b[i])
+ out[i] = a[i].dot(b[(0,) * len(i)])
a transposed product stays transposed | kernels_convolution, kernels_elementwise
- out[...] = transposed.swapaxes(-1, -2)
+ out[...] = transposed.reshape(out.shape)
# kernels/product.py
a small product is multiplied by the order in memory of another | kernels_elementwise
- isinstance(a, np.ndarray) and a.dtype == b.dtype and a.shape[1] == len(b)
+ isinstance(a, np.ndarray) and a.shape[1] == len(b)
a card's product is the CPU's | cuda_training
- isinstance(a, np.ndarray) and a.dtype == b.dtype and a.shape[1] == len(b)
+ a.dtype == b.dtype and a.shape[1] == len(b)
a product takes as many terms as the first factor has | kernels_elementwise
- isinstance(a, np.ndarray) and a.dtype == b.dtype and a.shape[1] == len(b)
+ isinstance(a, np.ndarray) and a.dtype == b.dtype
# kernels/simple.py
where windows overlap the last one wins, slowly | kernels_convolution
- xg[:, i, :, rows, columns] += share
+ xg[:, i, :, rows, columns] = share
# kernels/threads.py
bands are as few as can be | kernels_threads
-     return even if least > 1 and
+     return even if least > 9 and
each thread skips its first image | kernels_threads
- copy_context().run, work, i, bounds[i], bounds[i + 1])
+ copy_context().run, work, i, bounds[i] + 1, bounds[i + 1])
a range of images may be empty | kernels_threads, kernels_sweep
- i + round((count - parts) * s)
+ round(count * s)
whoever leaves first ends the limit on BLAS | kernels_threads
-             _inside.remove(get_ident())
-             if not _inside:
+             _inside.remove(get_ident())
+             if True:
a child keeps the limit that another thread held | kernels_threads
- [thread for thread in _inside if thread == get_ident()]
+ list(_inside)
a limit for each thread is set in none | kernels_threads
-             _hold(_of_thread, _own.found[-1])
+             pass
a task is begun a second time | kernels_threads
- if not self._begun.acquire(blocking=False):
+ if self._begun.acquire(blocking=False) is None:
who waits does nothing | kernels_threads
- while helping and self._done.locked():
+ while False:
a lowered limit is no limit | kernels_threads
- len(_workers) >= backend.threads()
+ len(_workers) >= 6
# kernels/product.py
BLAS shares out small products as it likes | kernels_threads
- with _one_thread:
+ if True:
a tall product is shared out by its columns | kernels_elementwise
- y.shape[0 if tall else 1]
+ y.shape[1 if tall else 0]
each thread adds the first outputs' bias | kernels_elementwise
- some += bias if tall else bias[part]
+ some += bias if tall else bias[: len(bias[part])]
# kernels/elementwise.py
what has no weight still spoils the sum | functional_extremes
- np.where(weight == 0, 0, weight * x)
+ weight * x
nobody looks whether what has no weight is finite | functional_extremes
-         if type(x) is np.ndarray and x.dtype.kind == "f" and is_finite(x.ravel(order="K")):
+         if True:
what is clipped has a slope | functional_values
- between &= y < high
+ between &= y <= high
a share of nothing is all | kernels_elementwise
- np.copyto(out, 0.5, where=small)
+ np.copyto(out, 1, where=small)
what is dropped is a product with 0 | functional_extremes
-     _where(mask, x, y)
-     y *= scale
+     np.multiply(x, mask, out=y)
+     y *= scale
the slope of elu lacks its factor | kernels_elementwise
-     if alpha != 1:
+     if False:
the derivative of relu at 0 is 1 | kernels_elementwise
- positive = y > 0
+ positive = y >= 0
few numbers below 1 are none | kernels_elementwise
- np.maximum(x, number(0, x.dtype))
+ np.maximum(x, number(1, x.dtype))
the elements of a piece are left out of a sum | kernels_elementwise
-     return np.add.reduce(sums)
+     return np.add.reduce(sums[1:])
what rounding added to 1 + y stays in its logarithm | kernels_elementwise
-     y -= lost
-     return y
+     return y
e^y − 1 of the half | kernels_elementwise
-     rest = 1 - t
-     t += t
+     rest = 1 - t
the distribution of N(0, 1) lacks its highest power | kernels_elementwise
- _MINUS_S = tuple(-s for s in _S)
+ _MINUS_S = tuple(-s for s in _S[:-1])
erf is cut off too early | kernels_elementwise
- np.clip(x, -4.5, 4.5)
+ np.clip(x, -3.5, 3.5)
# kernels/pieces.py
repeated rows begin anew at each piece | kernels_elementwise
- np.broadcast_to(a[0], (together, width))
+ np.broadcast_to(a[0][::-1], (together, width))
# kernels/pixels.py
each channel is copied from the first | kernels_elementwise
-             y[i:j, ..., channel] = x[i:j, channel]
+             y[i:j, ..., channel] = x[i:j, 0]
the last of many rows of pixels is left out | kernels_elementwise
-         of_rows = ones(block.shape[-2], block.dtype)
+         block = block[..., :-1, :]; of_rows = ones(block.shape[-2], block.dtype)
the first pixel of a row is its sum | kernels_normalization, kernels_elementwise
-     if pixels == 1:
-         return row
+     if True:
+         return row[..., :channels]
pixels are items wherever their channels lie | kernels_convolution
- together = x.strides[-1] == to.strides[-1] == x.itemsize
+ together = True
each row has the channels backwards | kernels_convolution
- (row // len(values), len(values))).ravel()
+ (row // len(values), len(values)))[:, ::-1].ravel()
sums along axes leave out that others lie between them | kernels_elementwise
-     if not (places and last.flags.c_contiguous and places[-1] - places[0] < len(places)):
+     if not (places and last.flags.c_contiguous):
of a long sum only the longest part is added | kernels_elementwise
- return np.add.reduce([part.sum(axes) if s is None else s for s, part in sums])
+ return np.maximum.reduce([part.sum(axes) if s is None else s for s, part in sums])
# kernels/rows.py
of many rows named several times the last ones are not added | kernels_elementwise
- np.r_[first, len(order)]
+ np.r_[first, len(order) - 1]
# kernels/softmax.py
rows whose sum is small lose their small shares | kernels_elementwise
- HIGHEST, LEAST = 60.0, 1.0
+ HIGHEST, LEAST = 60.0, 1e-26
rows with a small sum are left as they are | kernels_elementwise
-     if low.size:
+     if False:
softmax: the mean of g without its weights | softmax
- return y * (g - _sum(g * y, dim))
+ return y * (g - _sum(g, dim))
softmax: rows give what the ones before them have | kernels_elementwise
- np.subtract(g, _sums(np.multiply(g, y, out)), out)
+ np.subtract(g, _sums(np.multiply(g, y, out))[::-1], out)
log softmax: few digits of large numbers | kernels_elementwise
-     np.subtract(rows, highest(rows, 1), out=out)  # so
+     out[...] = rows  # so
of long rows the last numbers are not added | kernels_elementwise
- for i in range(0, length, most)
+ for i in range(0, length - most, most)
log softmax: the slope of rows forgets the shares | kernels_elementwise
-     out *= _sums(g)
+     out[...] = _sums(g)
few numbers may be as large as they like | kernels_elementwise
- and input.item(input.argmax()) <= NEAR:
+ and True:
# kernels/normalization.py
a layer's weight stays in the order of the shape | kernels_normalization
-         x, weight, bias = _laid_out(order, x, weight, bias)
+         (x,) = _laid_out(order, x)
the mean of planes is a product's | kernels_normalization
-             return np.add.reduce(block, axis=(1, 2))  # of
+             return block[:, 0].dot(ones(block.shape[2], block.dtype))  # of
variances are taken about 0 | kernels_normalization
-             return self._sum_of_products(out, out)
+             return self._sum_of_products(self.x[i], self.x[i])
a sum is taken about 0 however far the mean | kernels_normalization
- NEAR = 100.0
+ NEAR = 1e9
the mean has no part in a sum about 0 | kernels_normalization
-             found[1] -= mean * found[0]
+             pass
the slope forgets the variance | kernels_normalization
-     slope *= rstd
+     slope *= 0
of several blocks the first is all | kernels_normalization
-         found = np.concatenate([first, *others], axis) if others else first
+         found = np.concatenate([first] * (1 + len(others)), axis)
few rows have no least variance | kernels_normalization
-     rstd = var + number(eps, x.dtype)
+     rstd = var + number(0.0, x.dtype)
the slope of a row forgets the variance | kernels_normalization
-         normal *= of_normal
+         normal *= 0
# kernels/memory.py
memory is handed out twice | kernels_memory
- if b.references() == _ALONE]
+ ]
a part of an array is alone whoever holds the whole | kernels_memory
-     return _views(array) == (
+     return _views(array) >= (
what the C library gives back is left to it | kernels_memory
-     if size < _KEPT or size < limits.now.recycled:
+     if size <= _KEPT or size < limits.now.recycled:
# kernels/pooling.py
planes are counted before images | kernels_pooling
- found.reshape(last - first, c, *size)
+ found.reshape(c, last - first, *size).swapaxes(0, 1)
each part of the images has the first one's maxima | kernels_pooling
- images = x[first:last]
+ images = x[: last - first]
the last of equals is the largest | kernels_pooling
- better = value > best
+ better = value >= best
# kernels/windows.py
where windows overlap the last one wins | avg_pool2d
- xp[i:j, :, rows, columns] += g[i:j]
+ xp[i:j, :, rows, columns] = g[i:j]
each thread takes the windows of the first images | kernels_pooling
-             y[i:j] += xp[i:j, :, rows, columns]
+             y[i:j] += xp[: j - i, :, rows, columns]
an off-by-one: windows that share a pixel do not | functional_values
- -(-(i + 1) * length // out)
+ max((i + 1) * length // out, i * length // out + 1)
two pixels are mixed where one has no weight | functional_extremes
- if low == high or not weight else
+ if low == high else
the nearest pixel by a quotient of floating-point numbers | functional_extremes
- i * ratio.numerator // ratio.denominator
+ int(i * float(ratio))
# models/wgan.py
the critic makes its gap small | wgan
- return fake.mean() - real.mean()
+ return real.mean() - fake.mean()
the generator makes its images worse | wgan
- return -fake.mean()
+ return fake.mean()
the critic's weights are not clipped | wgan
-                 clip_weights(self.critic, self.clip)
+                 pass
the penalty's slope is a constant | wgan
- (g,) = minigen.grad(values, points, create_graph=create_graph)
+ (g,) = minigen.grad(values, points, create_graph=False)
a weight for each pixel where each image has one | wgan
- F.rand(len(real), *[1] * (real.ndim - 1), dtype
+ F.rand(*real.shape, dtype
the norm is taken over the channels alone | wgan
- g.flatten(1).norm(dim=1)
+ g.norm(dim=1).flatten(1).mean(1)
the generator is frozen | wgan
-         descend(self.generator_optimiser, g_loss)
+         pass
the critic is told another class than it is shown | wgan
- self.critic(images, *labels)
+ self.critic(images, *[y * 0 for y in labels])
# models/gan.py
the discriminator takes generated images for real | gan
- fake, fake.detach() * 0)
+ fake, fake.detach() * 0 + 1)
a loss that is none is noticed in a step | gan
-         if not isinstance(loss, Loss) and (not isinstance(loss, str) or loss not in LOSSES):
+         if isinstance(loss, str) and loss not in LOSSES:
the generator makes its images worse | gan
- lambda fake: F.softplus(-fake).mean()
+ lambda fake: F.softplus(fake).mean()
least squares draw the discriminator's output on generated images to 1 | gan
- 0.5 * (fake**2).mean(),
+ 0.5 * ((fake - 1) ** 2).mean(),
the hinge has no margin for generated images | gan
- F.relu(1 + fake).mean()
+ F.relu(fake).mean()
an output that is no log-odds is shown as a probability | gan
-     metrics: Callable[[Tensor, Tensor], dict[str, Tensor]] = outputs
+     metrics: Callable[[Tensor, Tensor], dict[str, Tensor]] = probabilities
generated images of the wrong class are not minded | gan
-             lambda fake: loss.generator(fake[:, :1]) + of_class(fake),
+             lambda fake: loss.generator(fake[:, :1]),
real pictures alone are augmented | augment
- self.judged(real, *labels), self.judged(fake, *labels)
+ self.judged(real, *labels), self.discriminator(fake, *labels)
the hinge's margin is 2 | biggan
- F.relu(1 - real).mean()
+ F.relu(2 - real).mean()
# models/networks.py
all parts have the mode of the whole afterwards | biggan
-             module.training = training
+             module.training = modes[0][1]
# models/biggan.py
generated images are judged by the labels of others | biggan
- F.cat([y, y]) for y
+ F.cat([y, y.flip(0)]) for y
u and v are renewed in evaluation | biggan
-         u, v = (one, other) if wide else (other, one)
+         u, v = (one, other) if wide else (other, one)
+         self.u.copy_(u)
squares of weights overflow | biggan
-         w = w / abs(w).max()
+         w = w * 1
what lies beyond the truncation is cut off, not drawn again | biggan
-         kept = np.where(np.isfinite(kept), kept, whole)
+         kept = whole
truncated noise is of other random numbers than the whole | biggan
-         whole, root = z.numpy().astype(np.float64), math.sqrt(2)
+         whole, root = z.numpy().astype(np.float64)[::-1], math.sqrt(2)
σ is that of the training's weights, not of their average | biggan
- (self.u, self.v) if self.training else self.sought()
+ (self.u, self.v)
u and v are never renewed | biggan
-                 layer.renew()
+                 pass
σ is a constant | biggan
- self.weight / (u @ (self.weight.flatten(1) @ v))
+ self.weight / (u @ (self.weight.flatten(1) @ v)).detach()
batch norm's statistics are of another truncation | biggan
- self.sample_noise(batch_size, generator, truncation)
+ self.sample_noise(batch_size, generator)
statistics of the training have a share in those drawn anew | biggan
-                 norm.reset_running_stats()
+                 pass
the vector of the class is normalised by itself | biggan
- (vectors * features).sum(1
+ (F.normalize(vectors, dim=1) * features).sum(1
features are a mean over pixels | biggan
- F.relu(x).sum((2, 3))
+ F.relu(x).mean((2, 3))
lengths of columns are regularised, too | biggan
- products.triu(1)
+ products.triu()
attention has a temperature | biggan
- F.softmax(f.transpose(1, 2) @ g, -1)
+ F.softmax(f.transpose(1, 2) @ g / 2, -1)
the first block looks at bright pixels alone | biggan
- self.conv1(x if self.first else F.relu(x))
+ self.conv1(F.relu(x))
every block is told the first piece of z | biggan
- F.cat([vectors, piece], 1)
+ F.cat([vectors, first], 1)
statistics are of one class | biggan
- F.randint(classes, (batch_size,)
+ F.randint(1, (batch_size,)
the way around a block of the generator is rectified | biggan
- doubled(self.skip(x))
+ doubled(self.skip(F.relu(x)))
D learns as slowly as G | biggan
-         options["discriminator_optimiser"] = discriminator_optimiser
+         options["discriminator_optimiser"] = optimiser
the judge's pictures are not averaged around a block | biggan
- self.skip(F.avg_pool2d(x, 2))
+ self.skip(x[:, :, ::2, ::2])
# models/resized.py
weights on copies of a pixel are not turned | resized
- weight.flip((2, 3))
+ weight
the means of weights are those inside the kernel | resized
- F.avg_pool2d(weight, 2, stride=1, padding=1)
+ F.avg_pool2d(weight, 2, stride=1, padding=1, count_include_pad=False)
# models/augment.py
the slope does not pass through the augmentation | augment
- images = POLICIES[name](images, self.generator)
+ images = POLICIES[name](images, self.generator).detach()
all pictures are moved alike | augment
- F.randint(0, 2 * most + 1, (n, 1),
+ F.randint(0, 2 * most + 1, (1, 1),
contrast is of each pixel | augment
- level = x.mean((1, 2, 3), keepdim=True)
+ level = x.mean(1, keepdim=True)
a moved picture comes back on the other side | augment
- F.pad(images, (most[1], most[1], most[0], most[0]))
+ F.pad(images, (most[1], most[1], most[0], most[0]), "circular")
what is cut out prefers a side | augment
-         last = side - length % 2
+         last = side - 1
# models/pix2pix.py
the judge sees no input | pix2pix
-     return F.cat([x, y], 1)
+     return F.cat([x * 0, y], 1)
the judge's step moves the made pictures | pix2pix
- self.judge(beside(x, made.detach()))
+ self.judge(beside(x, made.detach() * 0.9))
λ weighs the wrong term | pix2pix
- self.adversarial * g_loss + self.weight * apart
+ self.weight * g_loss + self.adversarial * apart
squares are asked for and L1 is learnt | pix2pix
- DISTANCES[self.distance](y, made)
+ l1(y, made)
the judge takes made pictures for real | pix2pix
- loss.discriminator(real, fake)  # equation 1, as D sees it
+ loss.discriminator(fake, real)
the generator is judged before the judge has learnt | pix2pix
-             descend(self.judge_optimiser, d_loss)
-             g_loss = loss.generator(self.judge(beside(x, made)))  # equation 1, as G sees it
+             g_loss = loss.generator(self.judge(beside(x, made)))
+             descend(self.judge_optimiser, d_loss)
pale pictures are near to all | pix2pix
-         near = (2 * made @ of.T - (of * of).sum(1)) / made.shape[1]
+         near = 2 * made @ of.T / made.shape[1]
a picture is told from those of its batch alone | pix2pix
-     for of in y.flatten(1), others.flatten(1):
+     for of in (y.flatten(1),):
a weight that is no number is taken | pix2pix
-         if not all(w >= 0 for w in weights) or not any(weights):
+         if any(w < 0 for w in weights) or not any(weights):
contrast is nothing to learn from | pix2pix
- or not any(weights):
+ or not any(weights[:2]):
contrast is asked for and left out | pix2pix
-             total = total + self.contrast * found["contrast"]
+             pass
what is drawn takes numbers from the training's stream | pix2pix
-         stream = drawing_from(generator) if generator else nullcontext()
+         stream = nullcontext()
# models/cyclegan.py
the cycle goes the wrong way round | cyclegan
- l1(x, self.to_x(made_y))  # equation 2: F(G(x)) ≈ x
+ l1(x, self.to_y(made_y))
what comes back is compared with the other domain | cyclegan
- l1(y, self.to_y(made_x))  # equation 2: G(F(y)) ≈ y
+ l1(y, self.to_y(self.to_x(made_y)).mean())
each generator is judged by the other domain | cyclegan
- loss.generator(self.judge_y(made_y)) + loss.generator(self.judge_x(made_x))
+ loss.generator(self.judge_x(made_y)) + loss.generator(self.judge_y(made_x))
λ weighs the GAN's terms | cyclegan
- self.adversarial * g_loss + self.cycle * (cycle_x + cycle_y)
+ self.cycle * g_loss + self.adversarial * (cycle_x + cycle_y)
identity is asked of the wrong generator | cyclegan
- l1(y, self.to_y(y)) + l1(x, self.to_x(x))
+ l1(x, self.to_y(x)) + l1(y, self.to_x(y))
the identity's weight is not in units of λ | cyclegan
- self.identity * self.cycle * found["identity"]
+ self.identity * found["identity"]
the pools hold each other's pictures | cyclegan
- self.judge_y(self.pool_y.query(made_y))
+ self.judge_y(self.pool_y.query(made_x))
a picture is told by the other domain's | cyclegan
- contrast(begin_y(x), made_y, begin_y(other_x))
+ contrast(begin_y(x), made_y, begin_y(other_y))
pictures are told as they were, not as generators begin | cyclegan
- contrast(begin_x(y), made_x, begin_x(other_y))
+ contrast(y, made_x, other_y)
contrast is computed and not learnt | cyclegan
-             total = total + self.contrast * found["contrast"]
+             pass
a weight that is no number is taken | cyclegan
- not all(weight >= 0 for weight in (cycle, identity, adversarial, contrast))
+ min(cycle, identity, adversarial, contrast) < 0
noise is half as loud as it says | cyclegan
- 2 * deviation * noise
+ deviation * noise
# models/translators.py
what is learnt is cut like what is drawn | translators
-         return made if self.training else F.clamp(made, -1, 1)
+         return F.clamp(made, -1, 1)
pictures are placed by their columns twice | translators
- self.rows @ input @
+ self.columns @ input @
what stays and what is drawn change places | translators
-         return F.lerp(made[:, :-1], input, (made[:, -1:] + 1) / 2)
+         return F.lerp(input, made[:, :-1], (made[:, -1:] + 1) / 2)
what is made of the mirrored picture is not mirrored back | translators
- F.flip(self.network(F.flip(input, -1)), -1)
+ self.network(F.flip(input, -1))
what is drawn is no change but all | translators
-         made = F.add(input[:, : self.channels], self.network(input), alpha=self.scale)
+         made = self.network(input)
a pool that returns only new pictures | translators
-                 image, self.kept[i] = self.kept[i].to(images.device), image.clone()
+                 self.kept[i] = image.clone()
a picture of the pool may be given twice | translators
-                 image, self.kept[i] = self.kept[i].to(images.device), image.clone()
+                 image = self.kept[i].to(images.device)
the pool draws from the common stream | translators
- F.rand(len(images), 2, generator=self.random)
+ F.rand(len(images), 2)
a resumed pool begins its stream anew | translators
-         self.random.load_state_dict(state["random"])
+         pass
the skips are those of the wrong depth | translators
- zip(self.up[1:], reversed(seen), strict=True)
+ zip(self.up[1:], reversed([h * 0 for h in seen]), strict=True)
dropout is off when drawing | translators
-         part.training = noise and isinstance(part, nn.Dropout | nn.Dropout2d)
+         part.training = False
running statistics move when drawing | translators
-         part.training = noise and isinstance(part, nn.Dropout | nn.Dropout2d)
+         part.training = noise or not isinstance(part, nn.Dropout | nn.Dropout2d)
a norm of the batch keeps running statistics for drawing | translators
- nn.BatchNorm2d(channels, track_running_stats=False)
+ nn.BatchNorm2d(channels)
one halving too many in the judge | translators
- {"stride": 2 if i < layers else 1}
+ {"stride": 2 if i <= layers else 1}
a bias before a norm | translators
- "bias": norm == "none"}
+ "bias": True}
# data/tasks.py
edges are looked for in the mean colour | data_tasks
-     levels, edge = pictures.astype(np.int16), np.zeros(pictures.shape, bool)
+     levels = pictures.mean(1, keepdims=True)
+     edge = np.zeros(levels.shape, bool)
unsigned levels wrap around at an edge | data_tasks
- pictures.astype(np.int16), np
+ pictures, np
the hole is shown to the network | data_tasks
- mirrored_into(diffused(from_levels(pictures), holes), holes)
+ from_levels(pictures)
heat flows out where the picture ends | data_tasks
-     matrices[..., :1, :1] -= first == 0
+     pass
the heat of rows is mixed with that of columns | data_tasks
- @ x @ across / (
+ @ x @ down / (
what is missing across is taken from there | data_tasks
- (hole & ~missing)
+ hole
pictures are mirrored in one way alone | data_tasks
- MIRRORS = (3,), (2,), (2, 3)
+ MIRRORS = (3,), (3,), (3,)
a picture is taken for symmetric whatever it is | data_tasks
- np.exp(-apart / ASYMMETRIC)
+ np.exp(-0 * apart / ASYMMETRIC)
no hole touches the last row | data_tasks
- holes * (side - side // 2 + 1)
+ holes * (side - side // 2)
# metrics/pictures.py
the kernel distance counts each point with itself | metrics_pictures
-         within += (k.sum() - np.trace(k)) / (len(x) * (len(x) - 1))  # no point with itself
+         within += k.mean()
any colour alike is enough for background | metrics_pictures
- (abs(each - background[:, None, None]) > NOT_INK).any(1)
+ (abs(each - background[:, None, None]) > NOT_INK).all(1)
colours are taken as linear | metrics_pictures
- XYZ, linear)
+ XYZ, pictures)
the nearest is the farthest | metrics_pictures
- apart.argmin(1) == np.arange(len(truth))
+ apart.argmax(1) == np.arange(len(truth))
# training/translation.py
the two domains of a pair are exchanged | training_translation
-     columns = [found.domains.index(name) for name in names]
+     columns = [found.domains.index(name) for name in sorted(names)]
partners are moved each on their own | training_translation
-             moved[i] = wide[i, ..., down : down + h, right : right + w]
+             moved[i] = wide[i, ..., down : down + h, right : right + w]
+             moved[i, :1] = pictures[i, :1]
what is mirrored alone is shifted too | training_translation
-     if args.augment != "mirror":
+     if args.augment:
a limit takes pictures out of families | training_translation
- np.argsort(place, kind="stable")[: args.limit]
+ np.random.default_rng(0).permutation(len(place))[: args.limit]
# models/adversaries.py
the judge learns in the generator's step | wgan
-     loss.backward(inputs=[p for p in weights if p.requires_grad])
+     loss.backward()
uniform noise is positive | gan
- F.rand(*size, **keywords) * 2 - 1,
+ F.rand(*size, **keywords),
# models/networks.py
what is drawn depends on its neighbours | gan
-     network.eval()
+     pass
# models/adversaries.py
packs are made of points that are all alike | gan
- images.reshape(len(images) // count, count * images.shape[1], *images.shape[2:])
+ F.cat([images[::count]] * count, 1)
# models/discogan.py
the way from B to A and back goes from A to B and back | discogan
-             ways.append((b, a, self.to_a, self.to_b, self.judge_a))
+             ways.append((b, a, self.to_b, self.to_a, self.judge_a))
the weight of reconstruction is on the GAN's loss | discogan
-             + self.reconstruction * found["reconstruction"]
+             + found["reconstruction"] + (self.reconstruction - 1) * found["gan"]
one reconstruction has both discriminators | discogan
-         if self.form == "both":
+         if self.form != "gan":
a form's other generator learns nothing | discogan
- [to_b] if form == "gan" else [to_b, to_a]
+ [to_b]
translations are to have the features of each real one | discogan
- ((r.detach().mean(0) - m.mean(0)) ** 2).mean()
+ ((r.detach() - m) ** 2).mean()
# models/stargan.py
the classifier is trained on made images | stargan
-             domain_real = domain_loss(logits, of)
+             domain_real = domain_loss(self.judge(made)[1], to)
constant planes meet reflected borders and instance norm | stargan
- "padding": "zeros"
+ "padding": "reflect"
the weight of reconstruction is on the domain | stargan
-         g_loss = g_loss + self.reconstruction * again
+         g_loss = g_loss + again + (self.reconstruction - 1) * domain_made
what is added to the image cannot turn black into white | stargan
- channels, scale=2.0)
+ channels, scale=1.0)
the weight of the judge's value is on the judge alone | stargan
- self.adversarial * judged
+ judged
real images are judged by the domain that they are to be of | stargan
- of_domain(values, of)
+ of_domain(values, to)
made images are judged by the domain that they came from | stargan
- self.source(made, to)
+ self.source(made, of)
the generator is judged by the domain that it came from | stargan
- generator_loss(of_domain(values, to))
+ generator_loss(of_domain(values, of))
the penalty is on the domain that images came from | stargan
- self.source, domains=to
+ self.source, domains=of
colours are seen without waves | stargan
- if octaves else []
+ if octaves < 0 else []
all waves of colours have one length | stargan
- 2**k
+ 2
the way back goes to the domain again | stargan
- self.generator(made, of)
+ self.generator(made, to)
images go to their own domain | stargan
- in_another_order(of)
+ of
made images are to be of the domain that they came from | stargan
-         domain_made = domain_loss(logits, to)
+         domain_made = domain_loss(logits, of)
the slope in the penalty is a constant | stargan
- mixed(x, made), create_graph=True
+ mixed(x, made), create_graph=False
the penalty is on real images alone | stargan
- mixed(x, made)
+ mixed(x, x)
# models/stylegan_layers.py
demodulation is over the outputs | stylegan_layers
- s.square() @ squares.T + 1e-8
+ s.square() @ squares + 1e-8
styles begin at 0 | stylegan_layers
- EqualLinear(style, inputs, bias=1.0)
+ EqualLinear(style, inputs)
colours are demodulated, too | stylegan_layers
-         if self.demodulate:
+         if True:
zeros between pixels take brightness away | stylegan_layers
-     b = Tensor(2 * _blur(
+     b = Tensor(_blur(
each picture is drawn with new noise | stylegan
-         if noise is None and self.training:
+         if noise is None:
a slow layer begins small | stylegan_layers
-         nn.init.normal_(self.weight, std=1 / rate)
+         nn.init.normal_(self.weight)
LeakyReLU takes variance away | stylegan
- activated(GAIN * (
+ activated(1.0 * (
# models/stylegan_networks.py
a deviation is one of all channels | stylegan
-     return (variance + 1e-8).sqrt().mean((2, 3))
+     return (variance * 0 + variance.mean(1, keepdim=True) + 1e-8).sqrt().mean((2, 3))
members of a group stand side by side | stylegan
-     members = x.reshape(members_of(len(x), group), -1, *x.shape[1:])
+     members = x.reshape(-1, members_of(len(x), group), *x.shape[1:]).transpose(0, 1)
the judge is not told the deviations | stylegan
- F.cat([x.flatten(1), deviations(x, self.group)], 1)
+ F.cat([x.flatten(1), 0 * deviations(x, self.group)], 1)
the mean of styles moves when drawing | stylegan
-         if self.training:
-             with minigen.no_grad():
-                 self.mean
+         if True:
+             with minigen.no_grad():
+                 self.mean
truncation is towards 0 | stylegan
-             w = self.mapping.mean + psi * (w - self.mapping.mean)
+             w = psi * w
pictures of a prime batch are groups of one | stylegan
- default=min(divisors, default=1))
+ default=1)
a block of the judge doubles the variance | stylegan
- * math.sqrt(0.5)
+ * 1.0
coarse colours are forgotten | stylegan
- doubled(picture) + colours
+ colours
colours have no bound | stylegan
-         return F.tanh(picture)
+         return picture
colours have the style of the layer before | stylegan
- styles[:, i + 1]
+ styles[:, i]
the judge drops pixels without a blur | stylegan
- self.around(blurred(x, stride=2))
+ self.around(x[:, :, ::2, ::2])
# models/stylegan.py
the mean of lengths is differentiated | stylegan
-         mean = Tensor(mean_of_all(lengths.detach().mean().array))
-         self.mean_length += 0.01 * (mean.item() - self.mean_length)
-         return (lengths - self.mean_length)
+         mean = lengths.mean()
+         self.mean_length += 0.01 * (mean - self.mean_length)
+         return (lengths - self.mean_length)
a lazy R1 has no factor | stylegan
- self.judge_every * self.gamma / 2 * penalty
+ self.gamma / 2 * penalty
a lazy path length has no factor | stylegan
- self.path_every * self.path_weight * penalty
+ self.path_weight * penalty
Adam's rates are not those of lazy penalties | stylegan
-     c = every / (every + 1) if every else 1.0
+     c = 1.0
styles are mixed pixel by pixel of a code | stylegan
- F.rand(2, count, 1, 1, dtype
+ F.rand(2, count, 1, first.shape[2], dtype
a way of no length has a slope of NaN | stylegan
- jacobian.flatten(1).norm(dim=1)
+ jacobian.flatten(1).square().sum(1).sqrt()
y is of all pixels' length | stylegan
- device=images.device) / math.sqrt(area)
+ device=images.device)
R1 is of made pictures | stylegan
- penalty = self.r1(x, *y)
+ penalty = self.r1(self.generated(len(x), *y).detach(), *y)
R1 does not look through the augmentation | stylegan
- slopes(lambda x: self.judged(x, *labels), images
+ slopes(lambda x: self.discriminator(x, *labels), images
D descends the path length | stylegan
- descend(self.generator_optimiser, self.path_every
+ descend(self.discriminator_optimiser, self.path_every
the penalty's mean length never moves | stylegan
- self.mean_length += 0.01 *
+ self.mean_length += 0.0 *
# training/builders/stylegan.py
the judge is strided whatever is asked for | demos_stylegan
- residual=args.judge == "residual"
+ residual=False
# metrics/paths.py
nothing has a direction that is no number | metrics_paths
- np.where(length > 0, length, 1)
+ length
nothing keeps to its own direction | metrics_paths
-     a, b = np.where(lengths[0] > 0, a, b), np.where(lengths[1] > 0, b, a)
+     pass
a path's length is divided by a step once | metrics_paths
- .sum(1) / epsilon**2
+ .sum(1) / epsilon
the way of z is a chord | metrics_paths
-     turned = a * np.cos(t * angle) + across * np.sin(t * angle)
+     turned = a + t * (b - a)
of two ways none is left | metrics_paths
- ((0.01, "lower"), (0.99, "higher"))
+ ((0.01, "linear"), (0.99, "linear"))
# data/images.py
an error that says nothing is not named | data_folder
-     return str(error) or type(error).__name__
+     return str(error)
a row of which one number is NaN is taken | training_figures
- np.isfinite(rows).all(axis=tuple(range(1, rows.ndim)))
+ np.isfinite(rows).any(axis=tuple(range(1, rows.ndim)))
# metrics/points.py
what is masked counts in a metric | doors
- as_array(values.numpy() if hasattr(values, "numpy") else values, dtype)
+ np.asarray(values.numpy() if hasattr(values, "numpy") else values, dtype)
# metrics/frechet.py
the distance of means is not squared | metrics_frechet
- np.sum((as_numbers(mean1) - as_numbers(mean2)) ** 2)
+ np.sum((as_numbers(mean1) - as_numbers(mean2)) ** 2) ** 0.5
# metrics/neighbours.py
a point counts as its own neighbour | metrics_neighbours
- k, axis=1)[:, k]
+ k, axis=1)[:, k - 1]
# metrics/transport.py
points are assigned in the order they come | metrics_transport
- cost[linear_sum_assignment(cost)].mean()
+ cost.diagonal().mean()
distances count, not their squares | metrics_transport
- points, others), "sqeuclidean")
+ points, others))
# metrics/baselines.py
pictures are moved by whole pixels | metrics_baselines
-     weights = np.where(far < 1, near, 2 - far * (4 - far * (2.5 - far / 2)))
+     weights = (far <= 0.5) * 1.0
placed pictures are blurred | metrics_baselines
-     weights = np.where(far < 1, near, 2 - far * (4 - far * (2.5 - far / 2)))
+     weights = np.maximum(1 - far, 0)
a new colour does not move | metrics_baselines
- shifts[nearest.query(channels_of(colours))[1]][which]
+ (shifts[(near := nearest.query(channels_of(colours)))[1]] * (near[0] == 0)[:, None])[which]
like colours are added, not averaged | metrics_baselines
- axis=1) / counts[:, None]
+ axis=1)
colours as bright as one another are one | metrics_baselines
-     places = levels ** np.arange(pictures.shape[1])
+     places = np.ones(pictures.shape[1], int)
# metrics/mixtures.py
one mode of a mode's own is shared | metrics_counts
- contested = reached.sum(0) > 1
+ contested = reached.sum(0) > 0
few samples on their way are in a mode | metrics_counts
-     reached = counts >= least * len(flat)
+     reached = counts > 0
every sample covers a mode | metrics_counts
- np.unique(nearest[good])
+ np.unique(nearest)
the reverse KL is the shares' entropy | metrics_counts
- rel_entr(share, 1 / len(centres))
+ rel_entr(share, 1)
# metrics/classes.py
the entropy of classes is counted in bits | metrics_counts
- float(entr(share).sum())
+ float(entr(share).sum() / np.log(2))
# kernels/skipgram.py
a word sees itself | kernels_skipgram
- band = (distance > 0) & (distance <= reach)
+ band = distance <= reach
the window is one word short | kernels_skipgram
- band = (distance > 0) & (distance <= reach)
+ band = (distance > 0) & (distance < reach)
words that are not there predict | kernels_skipgram
-         weights[:, :, width:] = share * band.sum(2, keepdims=True)
+         pass
a context is summed where it is averaged | kernels_skipgram
-     pool /= xp.maximum(pool.sum(2, keepdims=True), 1)  # (tiles, TILE, halo), rows sum to 1
+     pass
a row named twice moves once | kernels_skipgram
-         xp.add.at(table, xp.maximum(rows, 0), values * scale)
+         table[xp.maximum(rows, 0)] += values * scale
rows are damped in the batch after | word2vec
-         self._steps[self._rows] = 0
+         self._steps[:] = 1e9
# data/phrases.py
a combination that is held out is trained with | data_phrases
-         combos = rng.choice(combinations(split), size * parts)
+         combos = rng.choice(np.concatenate([combinations(s) for s in SPLITS]), size)
the colours that are held out have a digit's training alone | data_phrases
-     return HELD_OUT.get((colour - digit) % len(COLOURS), "train")
+     return HELD_OUT.get(colour, "train")
words of different kinds are one | data_phrases
-     return combos + np.cumsum([0, *map(len, PARTS[:-1])])
+     return combos
all batches of a run are the first one | data_phrases
-         self.batches += 1
+         pass
a colour that half of the ink has is read | data_phrases
- np.where(shares.max(1) >= 0.9, shares
+ np.where(shares.max(1) >= 0.3, shares
digits that differ are read as the last of them | data_phrases
- (said == digit) | ~full).all(1)
+ (said == digit) & full).any(1)
four digits are as many as three | data_phrases
-     found[known, 0] = number[known] - 1
+     found[:, 0] = number.clip(1, len(NUMBERS)) - 1
digits stand in the first cells | data_phrases
- rng.permuted(np.tile(np.arange(4), (len(combos), 1)), axis=1)
+ np.tile(np.arange(4), (len(combos), 1))
# models/denoiser.py
patches that cannot be halved pass | denoiser
- if any(side % (self.patch * 2**halvings)
+ if any(side % 2**halvings
labels are dropped for the whole batch | denoiser
-     u = F.rand(len(labels), generator
+     u = F.rand(1, generator
words are dropped each by itself, not phrases | denoiser
-     u = F.rand(len(labels), generator=generator, device=labels.device)
+     u = F.rand(*labels.shape, generator=generator, device=labels.device).flatten()[: len(labels)]
+     if labels.ndim > 1:
+         return F.where(F.rand(*labels.shape, generator=generator) < share, null, labels)
guidance goes towards what is so without the class | denoiser
- mean = told[:, :channels] + guidance
+ mean = told[:, :channels] - guidance
learnt variances are guided | denoiser
-     return F.cat([mean, told[:, channels:]], 1) if
+     return told + guidance * (told - untold) if
no class is a class | denoiser
-         self.null = classes
+         self.null = 0
the network does not hear the time | denoiser
-         told = F.silu(self.with_class(self.time(sinusoids(time, self.width)), labels))
+         told = F.silu(self.with_class(self.time(sinusoids(time * 0, self.width)), labels))
of a phrase the first word is told alone | denoiser
- return told + self.label(labels if labels.ndim > 1 else labels[:, None]).sum(1)
+ return told + self.label(labels if labels.ndim > 1 else labels[:, None])[:, 0]
none is a word with a vector of its own | denoiser
-             self.label = nn.Embedding(classes + 1, width, padding_idx=classes)
+             self.label = nn.Embedding(classes + 1, width)
vectors from elsewhere are learnt on | denoiser
- known = nn.Embedding.from_pretrained(table, padding_idx=classes)
+ known = nn.Embedding.from_pretrained(table, False, padding_idx=classes)
branches speak before they have learnt | denoiser
-     nn.init.zeros_(layer.weight)
+     pass
attention sees where a pixel is | denoiser
- rows = self.norm(x).flatten(2)
+ rows = self.norm(x.cumsum(3)).flatten(2)
# models/ode.py
the second slope is at the first place | ode
- v(z + h * first, t + h)
+ v(z, t + h)
the divergence is a sum of whole rows | ode
- retain_graph=True)[0][:, i]
+ retain_graph=True)[0].sum(1)
the density forgets what the way has pressed together | ode
-     return log_prior(state[:, :-1]) + state[:, -1]
+     return log_prior(state[:, :-1]) - state[:, -1]
# models/diffusion.py
the last step is blurred again | diffusion
-             if t > 0:  # the last step
+             if t >= 0:  # the last step
the first step is never trained | diffusion
- t = F.randint(0, len(self.schedule)
+ t = F.randint(1, len(self.schedule)
noise and image are exchanged | diffusion
-     "noise": Prediction(lambda x0, eps, a, s: eps,
+     "noise": Prediction(lambda x0, eps, a, s: x0,
a variance is taken for its logarithm | diffusion
-         self.log_large = np.log(self.beta)
+         self.log_large = self.beta
the bound's slope reaches the means | diffusion
- self._term(data, x, t, said.detach(), more)
+ self._term(data, x, t, said, more)
the schedule's tables are averaged, cast and saved | diffusion
-         self.network, self.schedule, self.predicts = network, schedule, predicts
+         self.network, self.schedule, self.predicts = network, schedule, predicts
+         self.register_buffer("alpha_bar", Tensor(schedule.alpha_bar))
few steps do not end in noise | diffusion
-     beta = np.linspace(1e-4, 0.02, steps) * 1000 / steps
+     beta = np.linspace(1e-4, 0.02, steps)
a shorter chain tells the network other times | diffusion
- return Schedule(self.alpha_bar[chosen], self.times[chosen])
+ return Schedule(self.alpha_bar[chosen])
the posterior weighs image and state the other way round | diffusion
- self._at("of_data", t, x) * data + self._at("of_state", t, x) * x
+ self._at("of_state", t, x) * data + self._at("of_data", t, x) * x
the noise of a guess is that of an unclipped one | diffusion
-             noise = (x - s.signal[t] * data) / s.noise[t]  # ε of the guess, clipped or not
+             noise = (x - s.signal[t] * data / data.abs().clamp(1)) / s.noise[t]
the outer grey levels are closed | diffusion
-     above = F.where(open_above, 2.0, F.erfc(-high))
+     above = F.erfc(-high)
grey levels far above have no probability | diffusion
-     side = F.where(apart > 0, -1.0, 1.0)
+     side = F.where(apart > 99, -1.0, 1.0)
a run of steps counts once | diffusion
-                 parts[min(low, 1), own] += bits * (high - low)
+                 parts[min(low, 1), own] += bits
images are told the classes of the first | diffusion
- None if labels is None else labels[own]
+ None if labels is None else labels[: len(x)]
no channels pass for learnt variances | diffusion
- output.shape[1] != 2 * x.shape[1]
+ output.shape[1] > 2 * x.shape[1]
noise comes in by η, not its share of the way | diffusion
-             x = x + math.sqrt(max(0.0, 1 - s.before[t] - sigma**2)) * noise
+             x = x + math.sqrt(1 - s.before[t]) * noise
ways begin where nothing is seen | diffusion
- model.sigmas().clip(None, WIDEST) ** (1 / rho)
+ model.sigmas() ** (1 / rho)
images are encoded a step too far | diffusion
-             x = s.signal[t] * (data if t else x) + s.noise[t] * noise
+             x = s.signal[t] * x + s.noise[t] * noise
learnt variances lie the other way round | diffusion
- share * large + (1 - share) * small
+ share * small + (1 - share) * large
# models/flow_matching.py
times to train at are as early as late | flow_matching
- (1 - stratified(len(data), data)) ** self.late
+ (1 - stratified(len(data), data))
each row has times of its own | flow_matching
- (whole * F.rand(1, **how)).floor()
+ (0 * F.rand(1, **how)).floor()
lines lead from data to noise | flow_matching
- (self.velocity(x, t, labels) - (data - noise)) ** 2
+ (self.velocity(x, t, labels) - (noise - data)) ** 2
noise of one class goes to another | flow_matching
-     kinds = np.zeros(len(data), int) if labels is None else labels.numpy()
+     kinds = np.zeros(len(data), int)
data is paired with the noise that it sent | flow_matching
- order[own] = own[optimal_assignment(b[own], a[own])]
+ order[own] = own[optimal_assignment(a[own], b[own])]
pairs are of other classes | flow_matching
- told = None if labels is None else labels[i : i + rows]
+ told = None if labels is None else labels[:rows]
straightness is measured at the ends | flow_matching
-             float(((way - field(z, t)) ** 2).flatten(1).sum(1).mean())
+             float(((way - field(noise, t)) ** 2).flatten(1).sum(1).mean())
# data/mixtures.py
a board's columns are alike | data_mixtures
- row = np.floor(x) % 2 + 2
+ row = 2
# models/vae.py
latents of one image are decoded as of other classes | vae
- labels = [y.repeat(samples) for
+ labels = [y.repeat_interleave(samples) for
the KL is a mean over latents, not a sum | vae
- (mean * mean + F.exp(log_var) - log_var - 1).sum(-1)
+ (mean * mean + F.exp(log_var) - log_var - 1).mean(-1)
the KL without its ½ | vae
- return 0.5 * (mean * mean
+ return (mean * mean
a sign in the KL | vae
- F.exp(log_var) - log_var - 1
+ F.exp(log_var) + log_var - 1
the KL is taken from the loss, not added | vae
- reconstruction + beta * kl
+ reconstruction - beta * kl
log σ² is taken for log σ | vae
- mean + F.exp(0.5 * log_var) * noise
+ mean + F.exp(log_var) * noise
black and white: a mean over pixels, not a sum | vae
- return loss.sum((-3, -2, -1))
+ return loss.mean((-3, -2, -1))
a Gaussian's squared error is a mean over pixels | vae
- squared = (apart * apart).sum((-3, -2, -1))
+ squared = (apart * apart).mean((-3, -2, -1))
the importance bound is of the sum of weights, not their mean | vae
- F.logsumexp(log_weights, 0) - math.log(len(log_weights))
+ F.logsumexp(log_weights, 0)
the importance bound is the mean of the logarithms | vae
- return F.logsumexp(log_weights, 0) - math.log(len(log_weights))
+ return log_weights.mean(0)
the weights lack the guess's log σ | vae
- (noise * noise - z * z + log_var)
+ (noise * noise - z * z)
without latents the decoder starts at the wrong end | vae
- logit(mean)
+ logit(1 - mean)
# models/autoencoder.py
denoising is asked for the damaged image | autoencoder
- loss = squared_error(model(damage(images) if damage else images), images)
+ images = damage(images) if damage else images; loss = squared_error(model(images), images)
a block never reaches the last row and column | autoencoder
- (side - length + 1) - 1
+ (side - length) - 1
# metrics/likelihood.py
batches of latents are averaged, not added | metrics_likelihood
- here[...] = np.logaddexp(here, np.logaddexp.reduce(weights, axis=0))
+ here[...] = np.logaddexp(here, np.logaddexp.reduce(weights, axis=0)) - np.log(2)
# models/word2vec.py
each rank learns from all of the text | distributed_tables
-             if i * ranks // workers == rank
+             if ranks
rows that have met count as if they had not | distributed_tables
-         self._since[:rows] = 0.0
+         pass
all rows meet each time | distributed_tables
-             self._meet(int(due[-1]) + 1)
+             self._meet(len(self._since))
two workers take one word each | word2vec
- max(1, min(ranks * self.workers, len(rows) // 2))
+ self.workers
an update that does nothing | word2vec
-                 kernels.add_rows(tables[0], *result.w_in, damping(result.w_in.rows, now))
+                 pass
the second table is frozen | word2vec
-                 kernels.add_rows(tables[1], *result.w_out, scale)
+                 pass
the bias is frozen | word2vec
-                     kernels.add_rows(tables[2][:, None], result.w_out.rows, values, scale)
+                     pass
noise follows the counts to the power of one half | word2vec
- power: float = 0.75
+ power: float = 0.5
frequent words are kept too often | word2vec
- np.minimum(1.0, np.sqrt(ratio) + ratio)
+ np.minimum(1.0, np.sqrt(ratio) + 2 * ratio)
all workers draw the same numbers | word2vec
- [self.seed, number << 16 | worker]
+ [0, worker]
the nearby word is the word itself | word2vec
- words[j + (j >= i)]
+ words[j + (j > i)]
# data/download.py
files of the user's own come after the cache | data_load
- [Path(os.path.expanduser(given)), cache_folder()] if given
+ [cache_folder(), Path(os.path.expanduser(given))] if given
a file at hand is taken as it is | data_load, data_text
-             if wrong:
+             if False:
a download is kept whatever it is | data_load, data_text
-         if not wrong:
+         if True:
# data/folder.py
a line feed in a name stays | data_folder
-     return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
+     return text.encode("utf-8", "backslashreplace").decode()
linked folders are left out | data_folder
-             if os.path.isdir(entry):
+             if os.path.isdir(entry) and not entry.is_symlink():
a link to the root is a class | data_folder
- for kind in ("", _kind(folder, root))}
+ for kind in (_kind(folder, root),)}
hidden folders are classes | data_folder
-             if name.startswith(".") or name in PRIVATE:
+             if name in PRIVATE:
white is each picture's own maximum | data_folder
-         white = next((top for top in RANGES if most <= 1.5 * top), most)
+         white = most
16 bits are taken for numbers of any range | data_folder
- 65535 if short and picture.mode != "F" else None
+ None
one NaN is the largest of all | data_folder
- levels.max(where=np.isfinite(levels), initial=0)
+ levels.max(initial=0)
an error of Pillow's own ends the load | data_folder
-         except Exception as error:  # Pillow raises all kinds, of damaged files
+         except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
a huge picture is decoded | data_folder
-             if most and picture.width * picture.height > most:  # before any memory is asked for
+             if False:
PostScript by the name of a picture is run | data_folder
- Image.open(file, formats=formats)
+ Image.open(file)
# data/text.py
marks part words | data_text
- more = f"[{mark}]++|
+ more = f"
joiners part words | data_text
- |[{joiner}]++(?=[{mark}]|{letter})|
+ |
a joiner ends a word | data_text
- [{joiner}]++(?=[{mark}]|{letter})
+ [{joiner}]++
equivalent words differ | data_text
-     return _patterns()[0].findall(unicodedata.normalize("NFC", text))
+     return _patterns()[0].findall(text)
a byte-order mark is a word | data_text
- piece.replace(_ORDER_MARK, "")
+ piece
UTF-16 is read as UTF-8 | data_text
-             yield from _pieces(file, encoding or "utf-8")
+             yield from _pieces(file, "utf-8")
zeros are text | data_text
- if not encoding and 4 * head.count(0) > len(head):
+ if False:
a word without an end is kept whole | data_text
-             if PIECE - end > BEGINNING:
+             if False:
a piece is as long as what is left and one more | data_text
- text.read(PIECE - len(rest))
+ text.read(PIECE)
the vocabulary has words that no file of vectors holds | data_text
-         if len(key) > LONGEST:
+         if False:
# data/idx.py
any number of dimensions is read | data_idx
- not 0 < data[3] <= MOST_DIMENSIONS
+ not data[3]
a shape without items is not looked at | data_idx
- math.prod(n for n in shape if n) > sys.maxsize
+ math.prod(shape) > sys.maxsize
a file is unpacked to its end, wherever that is | data_idx
-             while len(unpacked) <= _length(unpacked) and (piece := file.read(PIECE)):
+             while piece := file.read(PIECE):
# data/local.py
what stands between digits is not looked at | data_local
- bits.size + blanks != text.size
+ 2 * bits.size < text.size
what is longer than any published file is read | data_local
-         if len(data) > LONGEST:
+         if False:
drawings of one category come after those of another | data_local
- np.lexsort((labels, turns))
+ np.lexsort((turns, labels))
what a file of NumPy's holds is unpickled | data_emoji
- np.load(path, allow_pickle=False)
+ np.load(path, allow_pickle=True)
# data/domains.py
pictures are dealt, and not families | data_domains, data_emoji
-     names, which = np.unique(families, return_inverse=True)
-     if len(names) < len(SPLITS):
+     names, which = families, np.arange(len(families))
+     if len(names) < len(SPLITS):
what is to test with is trained with, too | data_domains
-     return (first <= place) & ((place < first + part) | (split == "train"))
+     return ((first <= place) & (place < first + part)) | (split == "train")
every seed deals alike | data_domains
- np.random.default_rng(seed).permutation(len(names))
+ np.random.default_rng(0).permutation(len(names))
siblings are in both of two unpaired domains | data_domains
-         labels = dealt_to[which].astype(np.int64)
+         labels = np.random.default_rng(seed).permutation(len(self)) % len(self.domains)
unpaired pictures are all of the first domain | data_domains
- self.images[np.arange(len(self)), labels]
+ self.images[np.arange(len(self)), 0]
means are over pictures | data_domains
-         return float(self.by_family(values).mean())
+         return float(values.mean())
# data/emoji.py
a woman and a man are no siblings | data_emoji
- "-".join(PERSONS.get(p, p) for p
+ "-".join(p for p
tones part families | data_emoji
- DROPPED = {*TONES.values(), "200d",
+ DROPPED = {"200d",
what is transparent keeps its colour | data_emoji
- ((pictures[..., :3].astype(np.uint16) * cover + 127) // 255).astype(np.uint8)
+ pictures[..., :3]
what is transparent becomes black | data_emoji
- else seen + (255 - cover)
+ else seen
colours wrap around as they are multiplied | data_emoji
- pictures[..., :3].astype(np.uint16) * cover
+ pictures[..., :3] * cover
bare swatches are emoji | data_emoji
- ~np.isin(points, list(TONES.values()))
+ points != ""
a split is dealt among the kind alone | data_emoji
- rows[dealt(families, split, seed)[rows[:, 0]]]
+ rows[dealt(families[rows[:, 0]], split, seed)]
# data/glyphs.py
letters to test with are trained with | data_domains
-         letters = letters[dealt(FAMILY, split, seed, parts=PARTS)]
+         pass
each domain has a place of its own | data_domains
- .text((x, y), LETTERS[k]
+ .text((x + d, y), LETTERS[k]
# data/variants.py
the hue follows the class | data_domains
-     hue = np.random.default_rng(seed).integers(len(HUES), size=len(images))
+     hue = images.labels % len(HUES)
pictures are turned with the clock | data_domains
- np.rot90(grey, axes=(2, 3))
+ np.rot90(grey, axes=(3, 2))
# data/layouts.py
the sides are exchanged | data_layouts
- for box in (left, right)])
+ for box in (right, left)])
a column of an odd width belongs to both sides | data_layouts
- half = max(width // 2, 1)
+ half = (width + 1) // 2
photographs are cut into pairs | data_layouts
- if width < NARROWEST * height]
+ if width < height]
splits of a data set are its classes | data_layouts
-     if {*found} <= {
+     if {*found} < {*found} & {
partners are those of the same place in the order of names | data_layouts
-     for name in sorted(seen[0].keys() & seen[1].keys()):
-         (left, (w, h)), (right, (w2, h2)) = seen[0][name], seen[1][name]
+     for name in range(min(map(len, seen))):
+         (left, (w, h)), (right, (w2, h2)) = ([*one.values()][name] for one in seen)
leftovers are passed over | data_layouts
-         if alone:
+         if False:
partners may be of any ratio | data_layouts
-         if 2 * abs(w * h2 - w2 * h) > max(w + h, w2 + h2):  # more than sizes were rounded by
+         if False:
a side that is missing is not missed | data_layouts
-         if any(pair):
+         if False:
facades are in the order of the archive | data_layouts
- found[number] for number in sorted(found)
+ found[number] for number in sorted(found, key=str)
a link in the archive is followed | data_layouts
-                 if named and entry.isfile() and entry.size <= LARGEST:
+                 if named:
paths out of the archive are taken | data_layouts
- name.fullmatch(entry.name)
+ name.search(entry.name)
# data/vectors.py
a line of several words is taken for bytes | data_vectors
-     return more < 0 or (more > 0 and not printable)
+     return more != 0
a vector may have more numbers than memory has addresses | data_vectors
- > left or dim > MOST:
+ > left:
words with white space are loaded from bytes | data_vectors
-     if name.split() != [name]:
+     if not name:
white space of other scripts parts words | data_vectors
-     if name.split() != [name]:
+     if name.decode(errors="replace").split() != [name.decode(errors="replace")]:
cosines of vectors of another length | data_vectors
-             unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1)
+             unit /= 2
# notebook.py
integers are taken for images | notebook
-     if images.dtype.kind != "f" or not images.size or not np.isfinite(images).all():
+     if not images.size or not np.isfinite(images).all():
a display shows text as if it were HTML | notebook
-     return f"{image}<pre>{html.escape(text)}</pre>"
+     return f"{image}<pre>{text}</pre>"
# data/loader.py
items draw from the stream that all share | data_loader
-         with backend.drawing_from(stream):
+         with backend.drawing_from(backend.default_generator):
what an item draws depends on its batch | data_loader
-                 stream.draws = place << 32
+                 stream.draws = (place - first) << 32
an epoch begins when its first batch is asked for | data_loader
-         stream = backend.stream_of(self.generator).reserve()
-         seed, key = np.random.SeedSequence(stream).generate_state(2, np.uint64).tolist()
-         return self._epoch(self._batches(seed), partial(self._fetch, key))
+         stream = backend.stream_of(self.generator).reserve()
+         seed, key = np.random.SeedSequence(stream).generate_state(2, np.uint64).tolist()
+         yield from self._epoch(self._batches(seed), partial(self._fetch, key))
every epoch has one order | data_loader
-         seed, key = np.random.SeedSequence(stream).generate_state(2, np.uint64).tolist()
+         seed, key = np.random.SeedSequence(stream[0]).generate_state(2, np.uint64).tolist()
batches come as they are ready | data_loader
-                         yield pending.popleft().result()
-                 while pending:
+                         yield pending.pop().result()
+                 while pending:
an item's error does not say which it was | data_loader
-                     error.add_note(f"DataLoader: this was item {index!r} of the data set")
+                     pass
rows of tensors are taken whatever collects them | data_loader
-         if type(self.dataset) is TensorDataset and self.collate_fn is default_collate:
+         if type(self.dataset) is TensorDataset:
what rounding leaves of a split is lost | data_loader
-             parts[i % len(parts)] += 1
+             parts[i % len(parts)] += 0
# backend.py
the stream that stands for the default one stays | data_loader
-         _instead.stream = before
+         pass
whoever has a stream of his own draws from the item's | data_loader
-         if self is default_generator and _instead.stream is not None:
+         if self is not _instead.stream and _instead.stream is not None:
# serialization.py
nested arrays are named alike whatever holds them | serialization
-     return f"{name}.{key}" if name else str(key)
+     return str(key)
tuples come back as lists | serialization
- KINDS = {"dict": Mapping, "list": list, "tuple": tuple}
+ KINDS = {"dict": Mapping, "list": (list, tuple)}
keys that are numbers come back as text | serialization
-     items = {key: _decode(item, tensors) for key, item in content}
+     items = {str(key): _decode(item, tensors) for key, item in content}
# pytorch_files.py
bfloat16 is the lower half of float32 | serialization
-     return (bfloats.astype("<u4") << 16).view("<f4")
+     return bfloats.astype("<u4").view("<f4")
a pickle may call whatever it asks for | serialization
-             raise ForeignError(f"it asks for {asked}, so it holds more than tensors; {CONVERT}")
+             return super().find_class(module, name)
a tensor may lie beyond the bytes of its storage | serialization
- if min(offset, *size, *steps, 0) < 0 or count > storage.size or count and last >= storage.size:
+ if min(offset, *size, *steps, 0) < 0 or count > storage.size:
a few bytes may say that they are a tensor of any size | serialization
- if min(offset, *size, *steps, 0) < 0 or count > storage.size or count and last >= storage.size:
+ if min(offset, *size, *steps, 0) < 0 or count and last >= storage.size:
a tensor begins where its storage does | serialization
- as_strided(storage[offset:], size, strides)
+ as_strided(storage, size, strides)
# missing.py
a module is meant where a class was written | torch_names
- sorted(self._known(), key=alike)
+ sorted(self._known())
a near miss is told by its letters' case too | torch_names
-         near = get_close_matches(self.name.lower(), public, 1, 0.8)
+         near = get_close_matches(self.name, list(public.values()), 1, 0.95)
# torch_names/function.py
a saved input has no history | torch_functions
-             if of_input is not None:
+             if False:
a saved output has no history | torch_functions
-             elif of_output is not None:
+             elif False:
an input that is an output is taken for the output | torch_functions
-             if of_input is not None:
+             if of_input is not None and of_output is None:
gradients of outputs go to other ones | torch_functions
-         for i, part in zip(self.flowing, self.parts(g), strict=True):
+         for i, part in zip(self.flowing[::-1], self.parts(g), strict=True):
marks are forgotten | torch_functions
-         self.without = outputs
+         pass
whole numbers require a gradient | torch_functions
-             if isinstance(y, Tensor) and y.dtype.kind == "f" and
+             if isinstance(y, Tensor) and
an output does not know that it lies where an input does | torch_functions
-         y = flowing[0].detach()
+         y = wrap(flowing[0]._array)
gradients are not in the inputs' dtype | torch_functions
-             h = h.to(parent.dtype) if h.dtype != parent.dtype else h
+             pass
# torch_names/names.py
importing a module of minigen's by another name renames it | torch_names
-                 if isinstance(found, ModuleType):
+                 if False:
an import of what is missing does not say so | torch_names
-             raise ImportError(str(error), name=spec.name) from None
+             raise ModuleNotFoundError(spec.name, name=spec.name) from None
private names are part of a module | torch_names
-     return getattr(source, "__all__", None) or [name for name in dir(source) if name[0] != "_"]
+     return dir(source)
# torch_names/kinds.py
old classes are those of any dtype | torch_names
-         return cls.kind is None or cls.kind == (value.dtype, value.device.partition(":")[0])
+         return True
a shape of a tensor's is taken for its numbers | torch_names
-         if len(given) == 1 and isinstance(given[0], Size):
+         if False:
a variable keeps its history | torch_names
-         return Base(data).detach().requires_grad_(requires_grad)
+         return Base(data).requires_grad_(requires_grad) if not isinstance(data, Base) else data
# torchvision_names/utils.py
each image is scaled by the extremes of all | torchvision_names
-         parts = images if scale_each else [images]
+         parts = [images]
levels are cut, not rounded | torchvision_names
-     levels = (grid * grid.dtype.type(255) + grid.dtype.type(0.5)).clip(0, 255)
+     levels = (grid * grid.dtype.type(255)).clip(0, 255)
# torchvision_names/transforms.py
a crop begins anywhere but at the last place | torchvision_names
-             starts.append(int(rand(1, dtype=np.float64).item() * (room + 1)) - border)
+             starts.append(int(rand(1, dtype=np.float64).item() * (room or 1)) - border)
the longer side is rounded | torchvision_names
-             wanted = tuple(side if n == short else int(side * n / short) for n in wanted)
+             wanted = tuple(side if n == short else round(side * n / short) for n in wanted)
the odd row of a border goes above | torchvision_names
-         starts = [round(room / 2) if room > 0 else -(-room // 2) for room in rooms]
+         starts = [round(room / 2) if room > 0 else room // 2 for room in rooms]
# torchvision_names/datasets.py
pictures of a class are met in the order of the disk | torchvision_names
-             files = sorted(path for path in Path(root, name).rglob("*") if path.is_file())
+             files = sorted((p for p in Path(root, name).rglob("*") if p.is_file()), reverse=True)
# display.py
an encoding without a character ends the work | display
-                 except UnicodeEncodeError as error:
+                 except ZeroDivisionError as error:
a full disk or a closed stream ends the work | display
-             with suppress(OSError, ValueError):  # ValueError: it is closed
+             with suppress():
a program without stderr has nothing to ask | display
- return self._wrapped is not None and self._wrapped.isatty()
+ return self._wrapped.isatty()
a terminal of no size has no room | display
- self.ncols = columns or 80
+ self.ncols = columns
what is said stands behind the bar | display
-         self._wrapped = stream._wrapped if isinstance(stream, Screen) else stream
+         self._wrapped = stream
a narrow line ends before its numbers | display
-         if room and (options.get("postfix") or "") not in text:
+         if not room:
# files.py
nobody says which file the disk has no room for | training_checkpoint
-             error.filename = str(path)
+             pass
a file takes its place before it is on the disk | training_lock
-             sync(file)
-             if fcntl:
+             if fcntl:
the folder's new entry is not on the disk | training_lock
-             os.fsync(folder)
+             pass
what a killed writer left stays beside the file | training_lock
-         remove_unfinished(path.parent, path.name)
+         pass
what others are writing is taken for a dead writer's | training_lock
-                     lock(file)
-                     if fcntl:
+                     if fcntl:
# distributed/reducer.py
gradients are summed over ranks, not averaged | distributed
-             xp.multiply(gradient._array, part.dtype.type(1 / group.get_world_size()), out=part)
+             xp.multiply(gradient._array, part.dtype.type(1), out=part)
buckets go out in the order in which they are finished | distributed
-         while self._next < len(self.buckets) and ready(self.buckets[self._next]):
-             self.buckets[self._next].send(self._lane)
-             self._next += 1
+         for bucket in self.buckets:
+             if ready(bucket) and bucket._work is None:
+                 bucket.send(self._lane)
# distributed/dealing.py
each rank has the noise of the first | distributed_dealing
-         numbers = run(group.get_rank() * mine, (batches - 1) * whole + mine)
+         numbers = run(0, (batches - 1) * whole + mine)
the second of several batches begins where the first one's part ends | distributed_dealing
-         parts = [numbers[b * whole :][:mine] for b in range(batches)]
+         parts = [numbers[b * mine :][:mine] for b in range(batches)]
the slopes of batch norm's mean and variance are those of a rank's part | distributed
-     mean = backend.namespace(array).ascontiguousarray(array / group.get_world_size())
-     group.the_group().all_reduce(mean, group.ReduceOp.SUM).wait()
-     return mean.reshape(array.shape)
+     return array
# distributed/parallel.py
batch norm takes the statistics of its rank's part | distributed
-         if ranks == 1 or not (self.training or self.running_mean is None):
+         if ranks or not (self.training or self.running_mean is None):
# distributed/tables.py
the mean of changes is taken, however rare the row | distributed_tables
-     return np.expm1(-ranks * x) / (ranks * np.expm1(-x))
+     return np.full(len(x), 1 / ranks)
rows are left out that should meet | distributed_tables
-                 some = slice(first, min(first + rows, len(x)))
+                 some = slice(first, min(first + rows, len(x) - 1))
a row's changes are counted again when it meets again | distributed_tables
-                 before[some] += change
-                 table[some] = before[some]
+                 table[some] = before[some] + change
# distributed/network.py
what was summed by halves comes back at once | distributed_plan
-         by_halves = 2 * rounds * self.latency + 2 * (ranks - 1) / ranks * whole
+         by_halves = rounds * self.latency + (ranks - 1) / ranks * whole
# training/by_heart.py
the test pictures are training pictures | training_by_heart
- load_images(args, "test")
+ train
D is told classes that it was not trained with | training_by_heart
- if labelled else None
+ if True else None
pictures drawn are compared as if they went from 0 to 1 | training_by_heart
- (made + 1) * 127.5
+ made * 255
# training/planning.py
each rank of a machine has all its bandwidth | distributed_plan
-         network = self.inside if alone else self.between.shared(min(self.ranks, ranks))
+         network = self.inside if alone else self.between
a plan's messages take no time | distributed_plan
-             step = work.seconds + messages
+             step = work.seconds
a plan is silent while it measures | distributed_plan
-         print(what, file=sys.stderr, flush=True)
+         pass
# distributed/rehearsal.py
a rehearsal is the first rank's, which passes over no noise | distributed_dealing
-         self.size, self.rank, self._seconds = size, size - 1, seconds
+         self.size, self.rank, self._seconds = size, 0, seconds
# distributed/mpi.py
an error ends its rank alone | distributed
-         sys.excepthook = self._uncaught
+         pass
# data/batches.py
all ranks are shown the first one's part of a batch | distributed
-             first = self.position * self.batch_size + self._part * self._own
+             first = self.position * self.batch_size
# training/ranks.py
ranks do not meet before a checkpoint | distributed_tables
-                 part.meet()
+                 pass
# training/loop.py
ranks do not meet where a loop ends | distributed_tables
-                 self._meet()
-                 if self._saved_step
+                 if self._saved_step
# kernels/random.py
a part of a mask begins where its count of eight does | kernels_random
-     return true[left:].reshape(shape)
+     return true[: size - left].reshape(shape)
# training/lock.py
the lock keeps nobody out | training_lock
-                 lock(file)
+                 pass
a forked child lets go of its parent's folder | training_lock
-         self._let_go.detach()
-         self._file.close()
+         pass
two loops of one process train in one folder | training_lock
- if not self._looping.acquire(blocking=False):
+ if self._looping.acquire(blocking=False) == 2:
a folder of that name is the same folder | training_lock
- return not self._file.closed and is_at(self._file, self.path)
+ return not self._file.closed
a file system without locks ends the run | training_lock
-             except OSError as error:
+             except ZeroDivisionError as error:
# training/run.py
looking at a run takes it | training_lock
-         return cls(folder, config)
+         run = cls(folder, config)
+         run._begin()
+         return run
what a kill left in a folder inside stays | training_lock
-             if inside.is_dir():
+             if False:
a step of the metrics may be anything | training_run
-     if not is_step(step := fields.pop("step", None)):
+     if (step := fields.pop("step", None)) is None:
a metric may be any text | training_run
- value in NOT_FINITE if isinstance(value, str)
+ True if isinstance(value, str)
a run that never began keeps its name | training_flags
-     return set(seen) <= {CONFIG, LIMITS} and CONFIG in seen and is_free(folder)
+     return False
a folder is given to two that are about to begin | training_flags
-     return set(seen) <= {CONFIG, LIMITS} and CONFIG in seen and is_free(folder)
+     return seen == [CONFIG]
a resumed run takes whatever limits are in use | training_run
- with self._held().by_one_loop(), limits.use(**self._limits):
+ with self._held().by_one_loop():
# profile.py
the way of a part is its pullback's | profile
- self._frames[-1].row.ways[way] += 1
+ self._frames[0].row.ways[way] += 1
# training/common.py
what is nested too deeply speaks of Python | training_run, training_checkpoint
-     except RecursionError:
+     except ZeroDivisionError:
a truth value is a step | training_run
- type(value) is int and
+ isinstance(value, int) and
# training/checkpoint.py
a checkpoint may hold anything | training_checkpoint
-     if not isinstance(state, dict):
+     if False:
# training/loop.py
a model that diverged between two logged steps is drawn | training_loop
-         if due:
-             self._require_finite
+         if False:
+             self._require_finite
nothing is drawn before the first step | training_loop
-                 if self.step == 0:
-                     self._draw_step()
+                 pass
the last step is drawn only where it is due | training_loop
- if (self.step % steps == 0 or self.step == self.steps) and (self.step or from_start)
+ if self.step % steps == 0 and (self.step or from_start)
what begins later is called at step 0, too | training_loop
- or self.step == self.steps) and (self.step or from_start)
+ or self.step == self.steps)
what is due at step 0 logs twice in a run that is resumed there | training_loop
-             run.rewind(-1 if again else self.step)
+             run.rewind(self.step)
weights of NaN replace the last good checkpoint | training_loop
-             if where := holds_nan(state):
+             if where := None:
a step of the checkpoint may be anything | training_loop
- ("step", is_step(saved["step"]), "a whole
+ ("step", True, "a whole
a loop of SIGTERM's is not saved | training_loop
- for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
+ for name in ("SIGINT", "SIGHUP", "SIGBREAK")
a signal that is ignored is taken | training_loop
- if h not in (None, signal.SIG_IGN)}
+ if h is not None}
a terminal that closes ends the step too | training_loop
-             elif number != HANG_UP:
+             else:
pictures after a kill are older than the checkpoint | training_loop, training_kills
-                     self._draw()  # a kill may have come between the checkpoint and this
+                     pass
pictures are drawn at the end alone | training_loop
-                             self._save()
-                             self._draw()
+                             self._save()
what an object makes of a damaged entry escapes | training_loop
- except Exception as error:  # whatever
+ except KeyError as error:  # whatever
metrics after the checkpoint are kept | training_loop, training_kills
-             run.rewind(-1 if again else self.step)
+             run.rewind(1e9)
a checkpoint of more steps is taken | training_loop
-         if saved["step"] > self.steps:
+         if False:
the config is not what the run goes on with | training_flags
-             run.write_config()  # of
+             pass  # of
a run has no page before its first checkpoint | pages_run
-                 if new:
-                     self.show()
-                 elif
+                 if
# training/pages/curves.py
a peak is lost where columns are joined | pages_curves
- min(a[2], b[2]), max(a[3], b[3]), mean
+ b[2], b[3], mean
columns become ever more | pages_curves
-         while len(self.columns) > COLUMNS:
+         while False:
a line that is being written is taken | pages_curves
-                 if not line.endswith(
+                 if False and not line.endswith(
metrics are read from the beginning each time | pages_curves
-             file.seek(self._read)
+             file.seek(0)
a run that went back keeps the steps that were undone | pages_curves
-             if found.st_ino != self._file or found.st_size < self._read:
+             if found.st_size < self._read:
# training/pages/pictures.py
frames that are kept were not kept before | pages_curves
-         stride *= 2
+         stride += 1
pictures are packed anew each time | pages_pictures
- before[key] if key in before else packed(path, most)
+ packed(path, most)
a damaged picture ends the training | pages_pictures
-     except (OSError, ValueError, SyntaxError):  # what
+     except ValueError:  # what
a picture has as many bytes as it has | pages_pictures
-             if len(content) <= most or min(image.size) < 16:
+             if True:
# training/pages/html.py
text is taken for markup | pages_run
- p if isinstance(p, Markup) else html.escape(p)
+ p
an attribute ends where its text says so | pages_run
- {html.escape(str(value))}"'
+ {value}"'
data ends the script that holds it | pages_run
-     return Markup(text.replace("<",
+     return Markup(text.replace("nothing",
a script that got into a page runs | pages_browser
- script-src {_hash(code)}
+ script-src 'unsafe-inline'
somebody's page is replaced by a run's | pages_run
-         if MARK.encode() not in file.read(4096):
+         if False:
# training/pages/about.py
a setting names the folders above the data | pages_run
- else f"…/{name}"
+ else text
the command that resumes names the home folder | pages_run
-         return path.name
+         return str(path)
# training/pages/seen.py
a floor stands far from its score | pages_run
-             if base is not None:
+             if False:
# training/pages/sections.py
settings that differ are not marked | demos_compare
-         differs = bool(meanings) and len({*cells}) > 1
+         differs = False
# training/pages/runlist.py
all runs of a folder are read each time | pages_run
-                 current = known is not None and known[0] == changed
+                 current = False
any folder gets a list of runs | pages_run
-             if self.parent.name != "runs" and not (self.parent / OWN).exists():
+             if False:
# training/events.py
TensorBoard shows steps that were undone | training_events
-         self._write(step=0, session_log=log(status=log.START))
+         pass
# training/practice.py
a plan has nothing to tell pictures from | distributed_plan
-     if not trained.settings.contrast:
+     if True:
# training/builders/stargan.py
all domains have one critic | stargan
- args.critics == "each"
+ False
# training/builders/cyclegan.py
contrast is asked for and not built | training_translation
-         contrast=args.contrast,
+         contrast=0.0,
pictures are told as they were, not as they are placed | training_translation
-         **starts,
+         **{},
# training/translation.py
a rank tells its pictures from its own truths | training_translation
-     del found[distributed.get_rank()]
+     found = []
each rank has others of its own | training_translation
- np.random.default_rng((args.seed, step))
+ np.random.default_rng((args.seed, step, distributed.get_rank()))
others are the same in all steps | training_translation
- np.random.default_rng((args.seed, step))
+ np.random.default_rng(args.seed)
# training/command.py
an older run is taken for one of today's defaults | training_loading
-  | self.before
+ 
a script that SIGTERM ended is a success | display
-         if loops.ended_by is None:
+         if True:
the config keeps what was asked for, not what it means | training_flags
-         run.config = {**run.config, **self._config(args)}
+         run.config = {**run.config, **self._config(args), **given}
of an older run is assumed what has no effect | training_flags
-             if v not in (None, False) and self.has_effect(k, settings)
+             if v not in (None, False)
auto stays auto | training_flags
-                 args.data = resolved("auto")
+                 pass
a run is resumed as another demo's | training_flags
-         if config.get("demo", self.name) != self.name:
+         if False:
another width is taken on resuming | training_flags
- and given[name] != earlier:
+ and given[name] != earlier == 0:
a run that never began is resumed | training_flags
-         if not (run.folder / CHECKPOINT).exists():
+         if not run.folder.exists():
# models/features.py
a classifier that knows nothing is taken for one that knows | features
- len(rest), chance) > 0.05:
+ len(rest), chance) > 1:
# models/digits.py
loading the digits draws from the caller's stream | digits
-     minigen.default_generator.load_state_dict(before)
+     pass
digits are drawn of no class | digits
- noise, labels, guidance=GUIDANCE)
+ noise, labels * 0, guidance=GUIDANCE)
# training/loading.py
a demo is whatever config.json says | training_loading
-     if not isinstance(demo, str) or demo not in DEMOS:
+     if demo is None:
no model is too large for its checkpoint | training_loading
- with at_most(held + SPARE):
+ with at_most(2**62):
first weights draw from the common stream | training_loading
-         minigen.default_generator.load_state_dict(before)
+         pass
sides of pictures are unbounded | training_loading
- and SIDES[0] <= shape[1] == shape[2] <= SIDES[1]
+ and SIDES[0] <= shape[1] == shape[2]
names of classes are not counted | training_loading
- if not right or len(names) != count:
+ if not right:
a loaded run needs its data | training_loading
- settings_of(run, without_data=True)
+ settings_of(run)
# functional/arguments.py
small tensors count for nothing | training_loading
- left[0] -= max(math.prod(shape), LEAST)
+ left[0] -= math.prod(shape) if math.prod(shape) > 10**7 else 0
# training/command.py
settings of a file that do not go together are taken | training_loading
-         if wrong := self.refusal(settings):
-             raise RunError(f"{run.folder}/config.json: {wrong}")
+         self.refusal(settings)
# training/trained_base.py
a model is drawn with its last weights | training_loading
-             average.copy_to()
+             pass
a model that diverged is drawn with | training_loading
- if holds_nan(self.state.get(part)):
+ if holds_nan(part):
# training/trained.py
between two classes lies the first | training_loading
- return generator.told(z, labels[0] @ generator.shared.weight)
+ return generator.told(z, labels[0].flip(1) @ generator.shared.weight)
a class may be any number | training_loading
- fits = found.shape == (count,) and (found >= 0).all() and (found < known).all()
+ fits = found.shape == (count,)
statistics of one truncation are those of all | training_loading
- if truncation not in known:
+ if not known:
styles are never cut off | demos_sample
- return generator.styles(self.code(z, labels), truncation)
+ return generator.styles(self.code(z, labels))
# models/denoiser.py
weights of classes are those of other classes | training_loading
- return told + labels @ self.label.weight[: self.null]
+ return told + labels @ self.label.weight[1 : self.null + 1]
# ../demos/sampling/files.py
an array of single pictures is not from 0 to 1 | demos_sample
-             np.save(file, pictures)
+             np.save(file, 2 * pictures - 1)
# ../demos/sampling/pictures.py
all pictures on a way are one | demos_sample
- noise = model.between(noises[here], noises[there], share)
+ noise = noises[here]
# ../demos/sampling/others.py
several models draw as the first of them | demos_sample
-         codes = one.encode
+         one = next(iter(model.each().values()))
+         codes = one.encode
every domain is the first | demos_sample
- made = {f"made {to}" if to else "made": model.translate(images, to) for to in ways}
+ made = {"made": model.translate(images, to) for to in ways}
# ../demos/sample.py
flags without an effect are taken | demos_sample
-     for name in sorted(given - {*ALWAYS} - known_flags(model)):
+     for name in ():
# ../demos/few_images.py
a generator sees more than the few | demos_few_images
- made = made_by(cell.kind, some, args)
+ made = made_by(cell.kind, train, args)
a generator that saw fewer than the classifier | demos_few_images
- some = few(train, cell.count, cell.draw)
+ some = few(train, cell.count, cell.draw + bool(cell.kind))
made pictures take the place of real ones | demos_few_images
- names, sets = WITH, [some, made]
+ names, sets = WITH, [made]
all draws are one | demos_few_images
- rng = np.random.default_rng([draw, count])
+ rng = np.random.default_rng(count)
settings are chosen on what is drawn | demos_few_images
- train.taken(slice(middle, None))
+ train.taken(slice(first, None))
a standard error of all draws' own | demos_few_images
- apart.std(ddof=1) / np.sqrt(len(apart))
+ apart.std() / np.sqrt(len(apart))
draws are paired with others | demos_few_images
- found[Cell(d, count, kind)][name] for d in draws]
+ found[Cell(d, count, kind)][name] for d in (draws if kind else draws[::-1])]
# training/course.py
frames of an older version's size end the drawing | training_course
-     frames = [frame for frame, size in zip(frames, sizes, strict=True) if size == sizes[-1]]
+     frames = [frame for frame, size in zip(frames, sizes, strict=True) if size]
# training/figures.py
names of columns stand over other columns | training_figures
-         place = left + (i + 0.5) * width
+         place = (i + 0.5) * width
a long name of a column runs into the next one | training_figures
-         while small.getlength(name) > width:
+         while False:
columns may lack names | training_figures
- | ({len(columns)} if columns else set())) != 1:
+ ) != 1:
a metric without values looks like one that is hidden | training_figures
-     name = name if finite.any() else f"{name} (none yet)"
+     name = str(name)
a spike at the beginning flattens a curve | training_figures
-     if high > low and np.ptp(values) > 2 * (high - low):
+     if False:
a caption is not in the file's description | training_figures
-         description.add_itxt("Description", caption)
+         description.add_itxt("Title", caption)
two rows of one name are one | training_figures
-     pairs = [*(rows.items() if isinstance(rows, Mapping) else rows)]
+     pairs = [*dict(rows).items()]
# display.py
work of a moment has a bar | display
-     return Bar(items, unit=f" {unit}", delay=2, leave=False, disable=None)
+     return Bar(items, unit=f" {unit}", delay=0, leave=False, disable=None)
# export/file.py
equal infinite numbers are apart | export_operations
- where=a != b, out=np.zeros_like(a)))
+ where=a == a, out=np.zeros_like(a)))
names lose a part that not all begin with | export_parts
-     shared = os.path.commonprefix([*state]).rpartition(".")[0] if len(state) > 1 else ""
+     shared = next(iter(state)).rpartition(".")[0]
# training/captions.py
lines of a caption run over the border | training_figures
-         if line and font(size).getlength(longer) > width:
+         if line and font(size).getlength(line) > width:
letters of a wide picture's caption are as small as any | training_figures
-     size = max(SIZE, width // WIDE)
+     size = SIZE
# training/plane.py
points that are out of sight are not told of | training_figures
- f", {outside.mean():.0%} out of view" if outside.mean() > 0.01 else ""
+ ""
the legend of clusters runs off the picture | training_figures
- label="B")
-     axes.set_xlim(*extent[:2])
-     axes.set_ylim(*extent[2:])
-     head(axes, "")
+ label="B")
+     head(axes, "", 6)
# training/course.py
a run that goes on slows down from its beginning | training_course
- return LambdaLR(optimiser, factor, last_epoch=done - 1)
+ return LambdaLR(optimiser, factor)
a rate falls from the one that the checkpoint came to | training_course
-     for group in optimiser.param_groups:
-         group["initial_lr"] = rate
+     for group in optimiser.param_groups:
+         group.setdefault("initial_lr", group["lr"])
the order of the data is forgotten | training_course
- streams = {"batches": batches, "random"
+ streams = {"random"
what is measured in parts is recorded | training_course
-     with minigen.no_grad():
-         starts
+     with minigen.enable_grad():
+         starts
# units.py
999.6 bytes are 1e+03 B | units
- value >= 999.5
+ value >= 1000
# serialization.py
an array's checksum is not looked at | training_checkpoint
- io.BytesIO(archive.read(f"{name}.npy"))
+ archive.open(f"{name}.npy")
# training/flags.py
a bound that is outside is inside | training_flags
- x >= least if above is None else x > above
+ x >= least if above is None else x >= above
a flag without an effect is passed over | training_flags
-                 if not self.has_effect(name, completed):
+                 if False:
what follows from other flags is not known where effects are judged | demos_flags
-                 if not self.has_effect(name, completed):
+                 if not self.has_effect(name, settings):
what is wrong is said before what has no effect | demos_flags
-         if wrong:
-             self.error(wrong)
-         return completed
+         return completed
settings that do not go together are taken | training_flags
- for when, message in self._refusals if when(settings))
+ for when, message in self._refusals if when is None)
a width of a file is not checked | training_flags
-         return flag.type(str(value))
+         return value
# export/trace.py
a length of the first batch is taken for one of all | export_trace, export_models
-         return Many(times)
+         return a
two runs may compute other things | export_trace
-         if names[0] != names[1]:
+         if False:
what leads to no output is written too | export_trace
-     return [step for step in steps if step in wanted]
+     return list(steps)
numbers that were drawn inside are the first run's | export_trace
-         if a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
+         if a.shape == b.shape or np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
dropout's mask is a constant of the first run | export_models
-             return self._mask(call, a, b) if (of, place) == CHANCE else self._value(a, b, of)
+             return Constant(a, a.shape, "x") if (of, place) == CHANCE else self._value(a, b, of)
a mask is kept as often as it should be dropped | export_command
-         kept = 1 / call.options["scale"]
+         kept = 1 - 1 / call.options["scale"]
# export/recording.py
what is written in place is left out of the list | export_trace
-             if self._changes.setdefault(id(x._array), count) != count:
+             if False:
# export/constants.py
a constant takes the name of an input | export_trace
- {*kept.values(), *others})
+ {*kept.values()})
the weight without its norm is stored, not the folded one | export_trace, export_models
-         if value.array.size <= SMALL or not made_of(value, kept):
+         while isinstance(value, Step) and value.array.size > SMALL:
+             value = value.inputs[0]
+         if value.array.size <= SMALL or not made_of(value, kept):
what can be made is stored too | export_trace
-         if value.array.size <= SMALL or not made_of(value, kept):
+         if True:
constants are called anything | export_trace
-     name, count = value.name, 1
+     name, count = "constant", 1
# export/writer.py
the batch size is that of the first run | export_operations
-             self._batch = self.node("Shape", given.name, start=0, end=1)
+             self._batch = self.integers(2)
inputs of other dtypes are written as they are | export_operations
-         return name if dtype in (None, x.array.dtype) else self.cast(name, dtype)
+         return name
# export/arithmetic.py
the bias is forgotten | export_operations, export_models
-         given = [x, weight, *([bias] if bias else [])]
+         given = [x, weight]
a convolution's padding is left out | export_operations
- (p.stride, p.padding * 2, p.dilation,
+ (p.stride, (0, 0, 0, 0), p.dilation,
the mean of a batch is that of each example | export_operations, export_models
-     over = [i for i in range(len(step.shape)) if i != 1]
+     over = [i for i in range(len(step.shape)) if i > 1]
softmax goes along the last axis | export_operations
-     return w.node("Softmax", *w.names(step), axis=step.option("dim"))
+     return w.node("Softmax", *w.names(step), axis=-1)
groups are normalised in the batch's order | export_operations
-     x = w.reshaped(x, (lead, groups, inside))
+     x = w.reshaped(x, (lead, 1, groups * inside))
# export/places.py
an index of the last entry takes none | export_operations
-             slices.append((axis, k, k + 1 if k != -1 else LAST, 1))
+             slices.append((axis, k, k + 1, 1))
pixels are mixed by the mirror image | export_operations
-     np.add.at(matrix, (by.columns, by.rows), by.weights)
+     np.add.at(matrix, (by.columns, by.rows[::-1]), by.weights)
what is joined goes along the batch | export_operations
-     return w.node("Concat", *w.names(step), axis=step.option("dim"))
+     return w.node("Concat", *w.names(step), axis=0)
# export/parts.py
StyleGAN's planes of noise stay the network's own | export_models
-         return generator(z, *(told or (None,)), psi, planes)
+         return generator(z, *(told or (None,)), psi)
an encoder's ε is left out | export_parts
-         return mean, log_var, reparameterised(mean, log_var, epsilon)
+         return mean, log_var, mean
a translator is drawn as it is trained | export_parts
-         with drawing(network, noise):
+         if network.train():
# export/usage.py
the way from noise ends a step too soon | export_command
- [*alpha_bar[chain[1:]], 1.0]
+ [*alpha_bar[chain[1:]], alpha_bar[0]]
guidance is away from the class | export_command
- "(1 + w) * said(x, t, labels) - w * said(x, t, none)"
+ "(1 + w) * said(x, t, none) - w * said(x, t, labels)"
# export/card.py
places on the machine are told | export_command
-         return OWN if is_place else value
+         return value
# export/__init__.py
a page of somebody's is written over | export_command
-     if first not in [[f"# {path.stem}{ending}".encode()] for ending in ENDINGS]:
+     if False:
a file that differs is written | export_command
-             if not max(found.values()) <= MOST:
+             if False:
# serialization.py
metadata is left out of the header | export_command
-         header = {**(metadata or {}), **({} if flat else {STRUCTURE: structure})}
+         header = {} if flat else {STRUCTURE: structure}
# functional/embedding.py
one_hot: each class is the one before | functional_values
-     classes = namespace(data).arange(num_classes)
+     classes = namespace(data).arange(num_classes) + 1
# kernels/pooling.py
no image is not flattened | kernels_sweep
-     return x.transpose(0, 2, 3, 1).reshape(n, h * w, c)
+     return x.transpose(0, 2, 3, 1).reshape(n, -1, c)
pooled pixels go back to the first place | max_pool2d
-     rows = along.add(_rows(g), _rows(places), 1, (n, math.prod(size), c))
+     rows = along.add(_rows(g), 0 * _rows(places), 1, (n, math.prod(size), c))
# metrics/similarity.py
a judgement that is no number is counted | metrics_similarity
-         if not np.isfinite(value):
+         if np.isinf(value):
a given word may be the answer | metrics_similarity
-         for given in (a, b, c):
+         for given in (a, b):
values count, and not their ranks | metrics_similarity
- float(spearmanr(a, b).statistic)
+ float(np.corrcoef(a, b)[0, 1])
# explorer/door.py
the host that a request names is not looked at | explorer_door
-         if headers.get_all("Host") != [self.host]:
+         if not headers.get_all("Host"):
the last of several hosts counts | explorer_door
-         if headers.get_all("Host") != [self.host]:
+         if headers.get_all("Host", [""])[0] != self.host:
any origin will do for a POST | explorer_door
-         if origins != [self.origin] and (origins or method != "GET"):
+         if not origins and method != "GET":
a POST needs no origin | explorer_door
- (origins or method != "GET")
+ origins
a token is compared up to where the given one ends | explorer_door
-     return secrets.compare_digest(given.encode(errors="replace"), token.encode())
+     return token.startswith(given)
a token is compared letter by letter | explorer_door
-     return secrets.compare_digest(given.encode(errors="replace"), token.encode())
+     return given == token
the address for one visit stays good | explorer_door
-                     self._once = secrets.token_urlsafe()
+                     pass
# explorer/server.py
every page may read the answers | explorer_door
-             "Content-Security-Policy": NOTHING,
+             "Access-Control-Allow-Origin": "*",
+             "Content-Security-Policy": NOTHING,
the address is told to other pages | explorer_door
-             "Referrer-Policy": "no-referrer",
+             "Referrer-Policy": "unsafe-url",
any script may run in the page | explorer_door
- script-src 'sha256-{hashes[f'{name}.js']}'
+ script-src 'unsafe-inline'
a path is joined to a folder | explorer_door
-         if path != "/":
-             raise RefusedError(HTTPStatus.NOT_FOUND, "there is no such page")
+         if path != "/" and (file := STATIC / path[1:]).is_file():
+             return self._page(HTTPStatus.OK, file.read_bytes(), NOTHING)
a body is as long as it says | explorer_door
-         if len(lengths[0]) > 9 or int(lengths[0]) > LARGEST:
+         if len(lengths[0]) > 9:
time is counted between bytes | explorer_door
-         self._connection.settimeout(left)
-         return self._connection.recv_into(buffer)
+         self.end += 1
+         return self._connection.recv_into(buffer)
as many connections as come | explorer_door
-         if self.places.acquire(blocking=False):
+         if self.places.acquire(blocking=False) or True:
all routes are open without the token | explorer_door
-         self.server.door.check_token(self.headers)
+         pass
# explorer/uploads.py
a picture is decoded before its size is looked at | explorer_door
-             width, height = image.size
+             image.load()
+             width, height = image.size
any format is opened | explorer_door
- Image.open(io.BytesIO(content), formats=FORMATS)
+ Image.open(io.BytesIO(content))
# explorer/answers.py
a name in JSON may end a script | explorer_door
- separators=(",", ":")).translate(ESCAPED).encode()
+ separators=(",", ":")).encode()
# explorer/worker.py
the oldest request wins | explorer_worker
-                 self._now.wanted = False
+                 pass
a request that waits is forgotten without a word | explorer_worker
-                 self._waiting.end(DroppedError())
+                 pass
# explorer/controls.py
numbers out of bounds are taken | explorer_views
- or not self.least <= given <= self.most
+ or not given <= self.most
# explorer/of_images.py
all truncations share one drawing's statistics | explorer_views
- copy.deepcopy([norm.state_dict() for norm in norms])
+ [norm.state_dict() for norm in norms]
layers' shares go to the wrong code | explorer_views
- F.lerp(*styles, share)
+ F.lerp(*styles, 1 - share)
# explorer/of_codes.py
the plane is upside down | explorer_views
- np.tile(line, SIDE), np.repeat(-line, SIDE)
+ np.tile(line, SIDE), np.repeat(line, SIDE)
# explorer/view.py
the page shows all of the folder's path | explorer_views
- Path(trained.name).resolve().name
+ str(Path(trained.name).resolve())
# functional/loss.py
smoothing of probabilities takes mass away | nn_layers
-         soft = target * (1.0 - label_smoothing) + label_smoothing / classes
+         soft = target * (1.0 - label_smoothing)
the smoothed share has the weight of the target's class | nn_layers
-         loss = loss + weighted(valid * (-label_smoothing / classes), every)
+         loss = loss + weighted(counts * (-label_smoothing / classes), every)
what is not a probability is taken | functional_errors
- not (data.min() >= 0 and data.max() <= 1)
+ not data.min() >= 0
# functional/reduction.py
of few numbers a kept axis is lost | functional_values
-         return total.reshape(1) if keepdim else total
+         return total
sums of small integers keep NumPy's dtype | functional_values
-     return y if dtype is None else converted(y, dtype)  # NumPy adds small integers as large ones
+     return y
NaN has no part in the gradient of the largest | functional_extremes
- (input == _with_ones(y, shape, dims)) | (input != input)
+ (input == _with_ones(y, shape, dims))
the root of a variance of 0 has a slope of NaN | functional_values
- input=lambda g, y: where(y == 0, 0.0, g / (2 * where(y == 0, 1.0, y))))
+ input=lambda g, y: g / (2 * y))
# functional/normalization.py
a batch's running variance is biased | functional_values
-     unbiased = var * (count / max(count - 1, 1))
+     unbiased = var
evaluated: the bias is forgotten where there is a weight | functional_values
- bias - mean * scale
+ bias * (weight is None) - mean * scale
# optim/sgd.py
dampening holds for the first step, too | optim
- if "momentum_buffer" in state else 1.0
+ if True else 1.0
rows go down where they should climb | optim_sparse
-         rate = -rate if group["maximize"] else rate
+         pass
# optim/adam.py
sparse: rows go down where they should climb | optim_sparse
-         g = -g if climb else g
+         pass
sparse: eps is not added | optim_sparse
- (np.sqrt(v) + eps)
+ np.sqrt(v)
# optim/adam_kin.py
RAdam trusts its variance a step too early | optim
- if few := not rho_t > 5:
+ if few := not rho_t > 4:
Adamax's eps comes after the maximum | optim
- np.maximum(u, np.add(np.abs(g, out=b), eps, out=b), out=u)
+ np.maximum(u, np.abs(g, out=b), out=u)
# optim/rmsprop.py
a variance below 0 has a root | optim
-                 np.maximum(square, 0, out=square)  # rounding can push a variance of 0 below it
+                 pass
# optim/average.py
a resumed warm-up begins anew | optim_average
-             self.updates = state_dict["updates"]
+             pass
a resumed average has the decay of the new one | optim_average
-         self.decay = state_dict["decay"]
+         pass
# optim/optimizer.py
a state of float16 parameters is loaded in float16 | optim
- like(p.array, value, exact(p.dtype))
+ like(p.array, value, p.dtype)
who updates numbers counts row-sparse gradients as dense | optim_sparse
-             g = p.grad.values if isinstance(p.grad, SparseRows) else p.grad.array
+             g = p.array
# optim/lr_scheduler.py
a group that comes later has its rate for a first one | optim_lr_scheduler
- (lr - self.eta_min) / (share or 1) for lr in new
+ (lr - self.eta_min) for lr in new
the top of a cycle comes a step late | optim_lr_scheduler
-         up = pct_start * self.total_steps - 1
+         up = pct_start * self.total_steps
β₂ of a cycle is lost | optim_lr_scheduler
- (momentum, *group["betas"][1:])
+ (momentum, momentum)
steps of a cooldown are counted | optim_lr_scheduler
- self.cooldown_counter - 1, 0
+ self.cooldown_counter - 1, self.num_bad_epochs
there is no least rate | optim_lr_scheduler
- [max(r * self.factor, low) for
+ [r * self.factor for
small changes of a rate are made | optim_lr_scheduler
- [b if a - b > self.eps else a for
+ [b for
a scheduler in turn goes on from the whole's step | optim_lr_scheduler
- self.last_epoch - (self.milestones[turn - 1] if turn else 0)
+ self.last_epoch
# nn/utils.py
norms are always put together by their squares | nn_utils
- np.linalg.norm(list(map(float, norms)), norm_type)
+ np.linalg.norm(list(map(float, norms)))
u and v change before the backward | nn_utils
-         u, v = u.clone(), v.clone()
+         pass
u and v move in evaluation | nn_utils
-         if module.training:
+         if True:
a clipped gradient is not counted as changed | nn_utils
-         increment_version(grad)
+         pass
# nn/embedding.py
a negative padding row is another row | nn_layers
-             padding_idx %= num_embeddings
+             pass
# nn/attention.py
scores are divided by the root of all of E | nn_layers
- math.sqrt(q.shape[-1])
+ math.sqrt(self.embed_dim)
masks of heads go to other examples | nn_layers
- attn_mask.unflatten(0, (n, self.num_heads))
+ attn_mask.unflatten(0, (self.num_heads, n)).transpose(0, 1)
# nn/loss.py
weights of positives are not passed on | nn_layers
- reduction=self.reduction, pos_weight=self.pos_weight
+ reduction=self.reduction
logarithms of targets are taken for probabilities | nn_layers
- reduction=self.reduction, log_target=self.log_target)
+ reduction=self.reduction)
# nn/image.py
bilinear: corners are not aligned | nn_layers
- "bilinear", True)
+ "bilinear", False)
# training/loop.py
the seconds of a resumed run begin anew | training_loop
-         self.seconds = saved["seconds"]
+         pass
handlers of signals stay after the loop | training_loop
-                 signal.signal(number, handler)
+                 pass
what load_state_dict let pass is taken | training_loop
-             if where := _misfit(part, item.state_dict(), name):  # load_state_dict let it pass
+             if where := None:
# training/by_heart.py
pictures watched are the first of a sorted folder | training_by_heart
- np.random.default_rng(0).permutation(len(images))[:WATCHED]
+ np.arange(len(images))[:WATCHED]
D is judged as it trains | training_by_heart
-         with evaluating(gan.discriminator):
+         if True:
# training/course.py
parts leave out the last rows | training_course
- range(0, len(x), rows)
+ range(0, len(x) - 1, rows)
a strip lacks the last frame | training_course
- np.linspace(0, len(frames) - 1, 4)
+ np.linspace(0, len(frames) - 2, 4)
# training/images.py
batches of a quick run are cut without regard to packs | training_translation
- whole = count - count % step
+ whole = count
a quick run's config has the batch that it was to have | training_translation
-     run.config["batch_size"] = whole =
+     whole =
batches are fitted to the largest domain | training_translation
-     what, count = min(
+     what, count = max(
each rank takes a whole batch | training_translation
-     args.batch_size = whole // ranks
+     args.batch_size = whole
random numbers are dealt out by the batch that was asked for | training_translation
-     rows[:] = [args.batch_size]
+     pass
# training/builders/wgan.py
a critic with batch norm is shown one pack | demos_flags
- 2 * (args.packing if args.penalty is None else 1)
+ 2
# training/command.py
a batch that was asked for becomes smaller | demos_flags
- args.quick and "batch_size" not in given
+ args.quick
# training/planning.py
a plan asks for the memory of one of its ranks | distributed_plan
-         if ranks * need > free:
+         if need > free:
a plan takes each example for as large as in a small step | distributed_plan
-             yield now + (examples - size) * (now - before) / (size - few)
+             yield examples / few * before
packs are broken where memory is measured | distributed_plan
-     size = FEW * getattr(trained.settings, "packing", 1)
+     size = FEW - 1
what is free is counted in KiB | distributed_plan
- (\\d+)", 1024),
+ (\\d+)", 1),
"""
# As torch.py: the tests are to see all by themselves, and PyTorch takes seconds to import.
HIDDEN = "raise ModuleNotFoundError('PyTorch is hidden')"
# That a test fails is enough: no smaller example is looked for.
HASTY = """
from hypothesis import Phase

phases = [Phase.explicit, Phase.generate]
settings.register_profile("hasty", settings.get_profile("ci"), phases=phases)
settings.load_profile("hasty")
"""


class Mistake(NamedTuple):
    """In `file`, seen from minigen/, `new` stands where `old` should, and `tests` are to see it."""

    file: str
    what: str
    tests: list[str]
    old: str
    new: str


def mistakes() -> list[Mistake]:
    found, file = [], ""
    entry = r"(?P<what>.+) \| (?P<tests>.+)\n(?P<old>(- .*\n)+)(?P<new>(\+ .*\n)*)"
    pattern = rf"# (?P<file>.+)\n|{entry}"
    if rest := re.sub(pattern, "", MISTAKES).strip():
        sys.exit(f"this is no list of mistakes:\n{rest}")
    for part in re.finditer(pattern, MISTAKES):
        file = part["file"] or file
        if part["what"]:
            old, new = (re.sub("^..", "", part[k], flags=re.M)[:-1] for k in ("old", "new"))
            tests = [address(name) for name in part["tests"].split(", ")]
            found.append(Mistake(file, part["what"], tests, old, new))
    return found


def address(name: str) -> str:
    """A file of tests, or the test of an operation's gradients."""
    for path in ROOT.glob(f"tests/**/test_{name}.py"):
        return str(path.relative_to(ROOT))
    path = "tests/functional/test_functional_operations.py"
    return f"{path}::test_gradients_of_both_orders[{name}]"


def failure(tests: list[str], mistake: Mistake | None = None) -> str:
    """The first of the tests that fails in a copy with the mistake, or whose fixture does; "" if
    none does."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("minigen", "tests", "demos"):
            ignored = shutil.ignore_patterns("__pycache__", "pictures")
            shutil.copytree(ROOT / name, Path(folder, name), ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", folder)
        Path(folder, "torch.py").write_text(HIDDEN)
        with Path(folder, "tests/conftest.py").open("a") as conftest:
            conftest.write(HASTY)
        if mistake:
            path = Path(folder, "minigen", mistake.file)
            path.write_text(path.read_text("utf-8").replace(mistake.old, mistake.new), "utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "--tb=no", *tests],
            cwd=folder, env={**os.environ, "PYTHONPATH": folder, "CI": "1"},
            capture_output=True, text=True,
        )  # fmt: skip
    failed = re.search(r"^(?:FAILED|ERROR) .*?::(.*?)(?: - |$)", done.stdout, re.M)
    if done.returncode != (1 if failed else 0):
        raise RuntimeError(f"pytest could not run {tests}:\n{done.stdout}{done.stderr}")
    return failed[1] if failed else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of files and tests")
    parser.add_argument("--jobs", type=int, default=2, help="how many runs at a time (2)")
    options = parser.parse_args()
    chosen = []
    for m in mistakes():
        if (count := (ROOT / "minigen" / m.file).read_text("utf-8").count(m.old)) != 1:
            sys.exit(f"{m.file}, {m.what}: found {count} times, not once:\n{m.old}")
        about = " ".join((m.file, *m.tests))
        if not options.names or any(name in about for name in options.names):
            chosen.append(m)
    if not chosen:
        sys.exit(f"no file or test is named like {options.names}")
    if broken := failure(list(dict.fromkeys(t for m in chosen for t in m.tests))):
        sys.exit(f"without any mistake, {broken} fails")

    def timed(mistake: Mistake) -> tuple[str, float]:
        start = time.perf_counter()
        return failure(mistake.tests, mistake), time.perf_counter() - start

    survivors = 0
    with ThreadPoolExecutor(options.jobs) as pool:
        for m, (test, seconds) in zip(chosen, pool.map(timed, chosen), strict=True):
            survivors += not test
            verdict = f"caught by {test}" if test else "SURVIVED"
            print(f"{m.file:31}{m.what:59}{seconds:5.1f} s  {verdict}", flush=True)
    print(f"{len(chosen)} mistakes: {len(chosen) - survivors} caught, {survivors} survived")
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()
