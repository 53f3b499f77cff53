"""`no_grad` and `enable_grad`: contexts that also decorate functions, generators and coroutines."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Generator
from typing import Any

from minigen import tape
from minigen.tape import recording


class _Mode(recording):
    def __new__(cls, function: Callable | None = None) -> Any:
        mode = super().__new__(cls)
        return mode if function is None else mode(function)

    def __init__(self) -> None:  # `enabled` is the class's
        pass

    def __call__(self, function: Callable) -> Callable:
        """The decorated function."""
        if isinstance(function, type) or not callable(function):
            raise TypeError(
                f"{type(self).__name__} decorates functions, not {function!r}; of a class decorate "
                "the methods, such as __init__"
            )
        if inspect.isgeneratorfunction(function):

            def decorated(*args: Any, **kwargs: Any) -> Any:
                return (yield from self._driven(function(*args, **kwargs)))

        elif inspect.iscoroutinefunction(function):

            async def decorated(*args: Any, **kwargs: Any) -> Any:
                return await self._awaited(function(*args, **kwargs))

        elif inspect.isasyncgenfunction(function):

            async def decorated(*args: Any, **kwargs: Any) -> Any:
                inner = function(*args, **kwargs)
                go_on, sent = inner.asend, None
                while True:
                    try:
                        value = await self._awaited(go_on(sent))
                    except StopAsyncIteration:
                        return
                    try:
                        go_on, sent = inner.asend, (yield value)
                    except GeneratorExit:
                        await self._awaited(inner.aclose())
                        raise
                    except BaseException as error:
                        go_on, sent = inner.athrow, error

        else:

            def decorated(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return function(*args, **kwargs)

        return functools.wraps(function)(decorated)

    def _driven(self, inner: Any) -> Generator:
        """A generator, or what `await` waits for, with this mode on while it runs and off while
        it waits."""
        go_on, sent = inner.send, None
        while True:
            try:
                with self:
                    value = go_on(sent)
            except StopIteration as end:
                return end.value
            try:
                go_on, sent = inner.send, (yield value)
            except GeneratorExit:
                with self:
                    inner.close()
                raise
            except BaseException as error:
                go_on, sent = inner.throw, error

    _awaited = types.coroutine(_driven)


class no_grad(_Mode):
    """Record nothing inside this context (or decorated function), in this thread. A decorated
    generator or coroutine records nothing while it runs; whoever waits for it is not concerned.

    Raises:
        TypeError: what is decorated is a class.
    """

    enabled = False


class enable_grad(_Mode):
    """Record inside this context (or decorated function) again, in this thread."""

    enabled = True


class set_grad_enabled:
    """Record, or record nothing, from now on in this thread; as a context until its end, and as a
    decorator in the function alone."""

    def __init__(self, mode: bool):
        self.enabled, self._before = bool(mode), tape.mode.get()
        tape.mode.set((self.enabled, self._before[1]))

    def __enter__(self) -> None:  # since it was made
        pass

    def __exit__(self, *_: Any) -> None:
        tape.mode.set(self._before)

    def __call__(self, function: Callable) -> Callable:
        """The decorated function."""
        self.__exit__()
        return (enable_grad if self.enabled else no_grad)(function)


def inference_mode(mode: Any = True) -> Any:
    """`no_grad` under its other name: what is made inside may take part in what is recorded later.
    With `mode=False` all is recorded, or is not, as before."""
    return no_grad(mode) if callable(mode) else no_grad() if mode else set_grad_enabled(
        tape.is_grad_enabled()
    )  # fmt: skip
