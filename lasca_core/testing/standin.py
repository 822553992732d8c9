"""A device for machines without a GPU: its tensors have real values, keep away from the CPU's, and count what waits.

Code that never ran on a GPU usually breaks there in one of a few ways: a tensor made on the CPU meets one of the
device, numpy is asked to read the device's memory, a CPU generator is to draw numbers there, or a loop fetches one
value after the other. The stand-in computes on the CPU, but refuses and counts as CUDA does::

    with standin_device() as standin:
        component = build(standin.runtime(tmp_path))
        ...
        assert not standin.waits

It cannot show what only hardware has: kernels and their rounding, streams, memory, speed.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from unittest import SkipTest

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils import backend_registration

from lasca_core.host.runtime import HostRuntime, SilentReporter
from lasca_core.testing.bench import STANDIN as NAME

_aten = torch.ops.aten

_INDEXING = {_aten.index, _aten.index_put, _aten.index_put_, _aten._index_put_impl_, _aten._unsafe_index}
"""``tensor[indices]``: indices may lie on the CPU."""
_FILLING = {_aten.fill, _aten.fill_, _aten.masked_fill, _aten.masked_fill_, _aten.index_fill, _aten.index_fill_}
"""Take a CPU scalar, as do all operations that torch tags as pointwise."""
_PRODUCTS = {_aten.mm, _aten.bmm, _aten.addmm, _aten.addbmm, _aten.baddbmm, _aten.mv, _aten.addmv, _aten.dot}
"""CUDA has no kernel of these for integers."""
_CHECKING = {_aten._linalg_check_errors}
"""Wait for the device, as do all operations that torch tags as depending on data."""
_DEPENDS_ON_DATA = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


class WrongDeviceError(RuntimeError):
    """What CUDA refuses with a ``RuntimeError``: tensors or generators of two devices, and operations it lacks."""


class NotOnHostError(TypeError):
    """What CUDA refuses with a ``TypeError``: to read its memory from the host."""


@dataclass(frozen=True)
class Event:
    """An operation that waited or copied, and the line of Python that it served, as ``module:line``."""

    operation: str
    line: str

    def __str__(self) -> str:
        return f"{self.operation} in {self.line}"


@dataclass
class StandIn:
    """The device while it is in use, and what happened on it.

    ``waits``: operations for which the host must wait, because it fetches values, or because the shape of a result
    depends on them. ``uploads``: copies from the host. ``refusals``: the errors raised, also those that were caught.
    """

    waits: list[Event] = field(default_factory=list)
    uploads: list[Event] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        """The device, for ``tensor.to``."""
        return torch.device(NAME, 0)

    def runtime(self, cache: Path, *, seed: int = 0, offline: bool = True) -> HostRuntime:
        """A silent runtime whose device this is."""
        report = SilentReporter()
        return on_standin(HostRuntime(cache=cache, seed=seed, offline=offline, workers=2, report=report))

    def forget(self) -> None:
        """Count anew from here."""
        self.waits.clear()
        self.uploads.clear()
        self.refusals.clear()

    def refuse(self, error: Exception) -> NoReturn:
        """Raise ``error``, and remember it."""
        self.refusals.append(error)
        raise error


_unused = StandIn()
_current = _unused
"""Whose events are recorded. Not a context variable: the threads of the autograd engine must find it too."""


@contextmanager
def standin_device() -> Iterator[StandIn]:
    """The device, with nothing counted. Raises ``SkipTest`` if this torch cannot have a device made in Python."""
    global _current
    _register()
    before, _current = _current, StandIn()
    try:
        yield _current
    finally:
        _current = before


def on_standin(runtime: HostRuntime) -> HostRuntime:
    """The runtime, whose device is the stand-in from now on; its own has not been asked for yet."""
    runtime.__dict__["device"] = torch.device(NAME, 0)  # a cached property, and no name that --device knows
    return runtime


# --- its place in torch -----------------------------------------------------------------------------------------------


@functools.cache
def _register() -> Any:
    """Make torch know the device. A process has room for one such device and keeps it, so this is done once, when the
    device is first asked for; while it is not in use, torch counts it among the accelerators that are not there."""
    missing = "torch sees no GPU on this machine, and there is no stand-in for one"
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        raise SkipTest(f"{missing}: torch {torch.__version__} has no devices made in Python")
    taken = torch._C._get_privateuse1_backend_name()
    if taken != "privateuseone":
        raise SkipTest(f"{missing}: torch's one place for another device is taken by {taken!r}")

    class Module(backend_registration._DummyBackendModule):
        def is_available(self) -> bool:
            return _current is not _unused

    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=Module())
    library: Any = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    library.impl("_copy_from", _copy_from, "PrivateUse1")
    for name in torch._C._dispatch_get_all_op_names():
        if name.startswith("aten::") and _makes_tensors(operation := _overload(name)):
            library.impl(name.removeprefix("aten::"), functools.partial(_make, operation), "PrivateUse1")
    return library  # whose end would be that of its registrations


def _overload(name: str) -> Any:
    """``aten::full.names`` -> the operation."""
    base, _, overload = name.removeprefix("aten::").partition(".")
    return getattr(getattr(_aten, base), overload or "default")


def _makes_tensors(operation: Any) -> bool:
    """Whether it makes a tensor out of none, on the device that it is told."""
    kinds = {argument.name: str(argument.type) for argument in operation._schema.arguments}
    return "device" in kinds and not any("Tensor" in kind for kind in kinds.values())


def _make(operation: Any, *args: Any, device: torch.device, **kwargs: Any) -> Tensor:
    _require_own_generators((args, kwargs))
    return _OnDevice(operation(*args, **kwargs, device="cpu"))


def _copy_from(source: Tensor, target: Tensor, non_blocking: bool = False) -> Any:
    """How ``torch.tensor`` fills the tensor that it has made, past ``__torch_dispatch__``."""
    return _OnDevice.__torch_dispatch__(_aten.copy_.default, (), (target, source))


# --- its tensors ------------------------------------------------------------------------------------------------------


class _OnDevice(Tensor):
    """A tensor of the device; ``held``, a tensor of the CPU, has its values. Views of one hold views of the other."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: Tensor) -> _OnDevice:
        with torch.inference_mode(held.is_inference()):  # a view made there of a tensor that was not is none either
            made: _OnDevice = Tensor._make_wrapper_subclass(
                cls,
                held.size(),
                strides=held.stride(),
                storage_offset=held.storage_offset(),
                dtype=held.dtype,
                layout=held.layout,
                device=torch.device(NAME, 0),
            )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Every operation on a tensor of the device, beneath autograd."""
        kwargs = kwargs or {}
        if _is_composite(operation):  # not taken apart before it comes here, in inference mode
            return operation.decompose(*args, **kwargs)
        names = [argument.name for argument in operation._schema.arguments]
        arguments = {**dict(zip(names, args, strict=False)), **kwargs}
        _require_one_device(operation, arguments)
        _record(operation, arguments)
        known: dict[int, Tensor] = {}  # so that what an operation changes in place comes back as the same tensor

        def lowered(value: Any) -> Any:
            if isinstance(value, Tensor):
                lower = value.held if isinstance(value, _OnDevice) else value
                known[id(lower)] = value
                return lower
            return torch.device("cpu") if isinstance(value, torch.device) and value.type == NAME else value

        def raised(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            return known[id(value)] if id(value) in known else _OnDevice(value)

        found = operation(*pytree.tree_map(lowered, args), **pytree.tree_map(lowered, kwargs))
        for value in known.values():
            if isinstance(value, _OnDevice):
                value._follow(operation)
        elsewhere = arguments.get("device") is not None and arguments["device"].type != NAME
        return found if elsewhere else pytree.tree_map(raised, found)

    def _follow(self, operation: Any) -> None:
        """Take the shape that ``operation`` gave to what is held."""
        now = (self.held.shape, self.held.stride())
        if (self.shape, self.stride()) == now:
            return
        try:
            with torch._C._DisableTorchDispatch():
                self.as_strided_(*now, self.held.storage_offset())
        except RuntimeError:  # it grew
            raise NotImplementedError(f"the stand-in cannot resize a tensor in place, as {operation} does") from None

    def numpy(self, *, force: bool = False) -> Any:
        """Only with ``force``, as on every device but the CPU."""
        if not force:
            message = f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() first"
            _current.refuse(NotOnHostError(message))
        return self.detach().cpu().numpy()

    def tolist(self) -> Any:
        """By way of the host; torch's own does not know subclasses."""
        return self.cpu().tolist()

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"{NAME}({self.held!r})"


@functools.cache
def _is_composite(operation: Any) -> bool:
    """Whether it is made of other operations, which then come one by one."""
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(operation.name(), "CompositeImplicitAutograd"))


# --- its rules --------------------------------------------------------------------------------------------------------


def _require_one_device(operation: Any, arguments: Mapping[str, Any]) -> None:
    """Refuse what CUDA refuses."""
    _require_own_generators(arguments)
    packet = operation.overloadpacket
    if packet is _aten.copy_:
        return
    changed = {each.name for each in operation._schema.arguments if each.alias_info and each.alias_info.is_write}
    takes_scalars = torch.Tag.pointwise in operation.tags or packet in _FILLING
    for name, value in arguments.items():
        if packet in _INDEXING and name == "indices" and isinstance(arguments["self"], _OnDevice):
            continue
        may_be_scalar = (takes_scalars and name not in changed) or (packet in _INDEXING and name == "values")
        for tensor in _tensors(value):
            if not isinstance(tensor, _OnDevice) and not (may_be_scalar and tensor.dim() == 0):
                message = f"found {NAME} and {tensor.device} (argument {name} of {operation})"
                _current.refuse(WrongDeviceError(f"Expected all tensors to be on the same device, but {message}"))
            if packet in _PRODUCTS and not (tensor.is_floating_point() or tensor.is_complex()):
                _current.refuse(WrongDeviceError(f"{operation} is not implemented for {tensor.dtype} on a GPU"))


def _require_own_generators(values: Any) -> None:
    for leaf in pytree.tree_leaves(values):
        if isinstance(leaf, torch.Generator) and leaf.device.type != NAME:
            message = f"Expected a {NAME!r} device type for generator but found {leaf.device.type!r}"
            _current.refuse(WrongDeviceError(message))


def _record(operation: Any, arguments: Mapping[str, Any]) -> None:
    if _waits(operation, arguments):
        _current.waits.append(Event(str(operation), _line()))
    if _uploads(operation, arguments):
        _current.uploads.append(Event(str(operation), _line()))


def _waits(operation: Any, arguments: Mapping[str, Any]) -> bool:
    packet = operation.overloadpacket
    if packet is _aten.copy_:
        return not isinstance(arguments["self"], _OnDevice)
    if packet is _aten._to_copy:
        return arguments.get("device") is not None and arguments["device"].type == "cpu"
    if packet in _INDEXING:  # a mask becomes the places where it is true
        return any(index.dtype in (torch.bool, torch.uint8) for index in _tensors(arguments["indices"]))
    if packet is _aten.repeat_interleave and arguments.get("output_size") is not None:
        return False
    return packet in _CHECKING or not _DEPENDS_ON_DATA.isdisjoint(operation.tags)


def _uploads(operation: Any, arguments: Mapping[str, Any]) -> bool:
    packet = operation.overloadpacket
    sources = arguments["src"] if packet is _aten.copy_ else arguments["indices"] if packet in _INDEXING else None
    return any(not isinstance(source, _OnDevice) for source in _tensors(sources))


def _tensors(value: Any) -> Iterator[Tensor]:
    return (leaf for leaf in pytree.tree_leaves(value) if isinstance(leaf, Tensor))


def _line() -> str:
    """The innermost line of Python outside torch and this module."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "")
        if module != __name__ and module.partition(".")[0] != "torch":
            return f"{module}:{frame.f_lineno}"
    return "a thread of torch"
