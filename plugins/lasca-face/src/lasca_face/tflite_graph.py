"""Reads a TensorFlow Lite graph into a torch module that takes a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lasca_core.api import PluginError

_NUMPY_TYPES = {"FLOAT32": "<f4", "FLOAT16": "<f2", "INT32": "<i4", "INT64": "<i8"}


class TFLiteGraph(nn.Module):
    """The graph of a ``.tflite`` file with float weights.

    Tensors keep TFLite's layout [N, height, width, channels]. Convolutions see them as [N, C, H, W] views, which in
    memory is what torch calls channels last, so nothing is copied. The graphs are written for a batch of one; here the
    first dimension of every input and output is a batch of any size. Weights stored as float16 are widened to float32.

    Raises ``PluginError`` if the graph has an operator that this module does not know.
    """

    def __init__(self, content: bytes) -> None:
        super().__init__()
        import tflite  # type: ignore[import-untyped]  # the schema of the file format, needed only while reading

        model = tflite.Model.GetRootAsModel(content, 0)
        graph = model.Subgraphs(0)
        constants = _constants(model, graph)
        names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
        operations = []
        for index in range(graph.OperatorsLength()):
            operator = graph.Operators(index)
            code = model.OperatorCodes(operator.OpcodeIndex())
            # Codes above 127 are in the newer of two fields; the larger value is the one that counts.
            node = _Node(names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())], operator, graph, constants)
            if node.name == "DEQUANTIZE":
                constants[node.output] = node.constant(0).float()
            elif node.name in _READERS:
                operations.append(_READERS[node.name](node))
            else:
                raise PluginError(
                    f"backend torch of the extractor blendshape cannot read the operator {node.name} of its model; "
                    "use -o blendshape.backend=mediapipe"
                )
        self._inputs: list[int] = graph.InputsAsNumpy().tolist()
        self._outputs: list[int] = graph.OutputsAsNumpy().tolist()
        self._operations = nn.ModuleList(operations)  # where torch finds the constants
        self._steps = list(zip(operations, _finished(operations, keep=self._outputs), strict=True))
        _reuse_memory(self._steps)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The graph's outputs for its inputs, both in the file's order, each [N, ...]."""
        values = dict(zip(self._inputs, inputs, strict=True))
        for operation, finished in self._steps:
            values[operation.output] = operation(values)
            for index in finished:
                del values[index]
        return tuple(values[index] for index in self._outputs)


class _Operation(nn.Module):
    """``function`` of some tensors of the graph (given by their index) and of constants, which live in this module.

    ``name`` is the operator's; ``output`` the tensor that it computes, whose ``shape`` is [1, ...] in the file.
    """

    def __init__(
        self,
        name: str,
        function: Callable[..., Tensor],
        arguments: Sequence[int | Tensor],
        output: int,
        shape: Sequence[int],
    ) -> None:
        super().__init__()
        self.name = name
        self.function = function
        self.output = output
        self.shape = tuple(shape)
        self.arguments: list[int | str] = []
        for position, argument in enumerate(arguments):
            if isinstance(argument, Tensor):
                self.register_buffer(f"constant{position}", argument)
                self.arguments.append(f"constant{position}")
            else:
                self.arguments.append(argument)

    @property
    def uses(self) -> set[int]:
        """The tensors of the graph that it reads."""
        return {argument for argument in self.arguments if isinstance(argument, int)}

    def forward(self, values: Mapping[int, Tensor]) -> Tensor:
        """The operation's result, given the tensors computed so far."""
        return self.function(
            *(values[name] if isinstance(name, int) else self.get_buffer(name) for name in self.arguments)
        )


def _constants(model: Any, graph: Any) -> dict[int, Tensor]:
    import tflite

    types = {code: _NUMPY_TYPES.get(name) for name, code in vars(tflite.TensorType).items() if isinstance(code, int)}
    constants = {}
    for index in range(graph.TensorsLength()):
        tensor = graph.Tensors(index)
        buffer = model.Buffers(tensor.Buffer())
        kind = types[tensor.Type()]
        if kind and buffer.DataLength():
            values = np.frombuffer(buffer.DataAsNumpy().tobytes(), kind).reshape(_shape(tensor))
            constants[index] = torch.from_numpy(values.copy())
    return constants


def _shape(tensor: Any) -> list[int]:
    return tensor.ShapeAsNumpy().tolist() if tensor.ShapeLength() else []


def _finished(operations: Sequence[_Operation], keep: Sequence[int]) -> list[list[int]]:
    """For each operation the tensors that nothing reads after it, so that their memory can be given back."""
    last = {index: step for step, operation in enumerate(operations) for index in operation.uses}
    return [
        [index for index, at in last.items() if at == step and index not in keep] for step in range(len(operations))
    ]


def _reuse_memory(steps: Sequence[tuple[_Operation, Sequence[int]]]) -> None:
    """Let a sum, and a ReLU, overwrite the result of a convolution or a sum that nothing else reads.

    The values are the same, and less memory is taken; on a CPU the landmark model takes a fifth less time. The result
    of a convolution or a sum is sure to be memory of its own, which what a reshape gives is not.
    """
    of = {operation.output: operation for operation, _ in steps}
    for operation, finished in steps:
        for index in operation.uses & set(finished):
            source = of.get(index)
            if source is None or source.name not in _OWN_MEMORY or source.shape != operation.shape:
                continue
            if operation.function is F.relu:
                operation.function = torch.relu_
            elif operation.function is torch.add and len(operation.uses) == 2:
                operation.function = _add_to_first if operation.arguments[0] == index else _add_to_second
            break


_OWN_MEMORY = ("CONV_2D", "DEPTHWISE_CONV_2D", "ADD")


def _add_to_first(a: Tensor, b: Tensor) -> Tensor:
    return a.add_(b)


def _add_to_second(a: Tensor, b: Tensor) -> Tensor:
    return b.add_(a)


class _Node:
    """One operator of the file, while it is being read."""

    def __init__(self, name: str, operator: Any, graph: Any, constants: Mapping[int, Tensor]) -> None:
        self.name = name
        self.inputs: list[int] = operator.InputsAsNumpy().tolist()
        self.output = int(operator.OutputsAsNumpy()[0])
        self.output_shape = _shape(graph.Tensors(self.output))
        self.channels = (_shape(graph.Tensors(self.inputs[0])) or [1])[-1]
        self._operator = operator
        self._constants = constants

    def options(self, table: str) -> Any:
        """The operator's options, read as ``table`` of the schema."""
        import tflite

        union = self._operator.BuiltinOptions()
        options = getattr(tflite, table)()
        options.Init(union.Bytes, union.Pos)
        return options

    def constant(self, position: int) -> Tensor:
        """The constant that is the input at ``position``."""
        return self._constants[self.inputs[position]]

    def numbers(self, position: int) -> list[int]:
        """The same as a flat list of integers."""
        return [int(value) for value in self.constant(position).flatten().tolist()]

    def argument(self, position: int) -> int | Tensor:
        """The input at ``position``: a constant, or the index of a tensor that is computed."""
        return self._constants.get(self.inputs[position], self.inputs[position])

    def operation(self, function: Callable[..., Tensor], *arguments: int | Tensor) -> _Operation:
        """``function`` of these arguments, or of the first input if none are given."""
        return _Operation(self.name, function, arguments or (self.argument(0),), self.output, self.output_shape)


# --- the operators ----------------------------------------------------------------------------------------------------


def _identity(x: Tensor) -> Tensor:
    return x


def _activation(options: Any) -> Callable[[Tensor], Tensor]:
    functions: dict[int, Callable[[Tensor], Tensor]] = {0: _identity, 1: F.relu, 3: F.relu6}
    code = options.FusedActivationFunction()
    if code not in functions:
        raise PluginError(f"backend torch of the extractor blendshape cannot read activation {code} of its model")
    return functions[code]


def _same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's padding "same": ceil(length / stride) results, and where it is odd, one more after than before."""
    total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return total // 2, total - total // 2


def _padded(x: Tensor, kernel: Sequence[int], stride: Sequence[int], value: float) -> Tensor:
    """``x`` [N, C, H, W] with padding "same" written out."""
    top, bottom = _same_padding(x.shape[2], kernel[0], stride[0])
    left, right = _same_padding(x.shape[3], kernel[1], stride[1])
    return F.pad(x, (left, right, top, bottom), value=value) if top or bottom or left or right else x


def _convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    stride: tuple[int, int],
    groups: int,
    same: bool,
    activation: Callable[[Tensor], Tensor],
) -> Tensor:
    x = x.permute(0, 3, 1, 2)
    kernel = weight.shape[2:]
    padding = (0, 0)
    if same and stride == (1, 1) and kernel[0] % 2 and kernel[1] % 2:  # the same on both sides: no copy is needed
        padding = (kernel[0] // 2, kernel[1] // 2)
    elif same:
        x = _padded(x, kernel, stride, 0.0)
    return activation(F.conv2d(x, weight, bias, stride, padding, 1, groups)).permute(0, 2, 3, 1)


def _convolution(node: _Node) -> _Operation:
    depthwise = node.name == "DEPTHWISE_CONV_2D"
    options = node.options("DepthwiseConv2DOptions" if depthwise else "Conv2DOptions")
    if (options.DilationHFactor(), options.DilationWFactor()) != (1, 1):
        raise PluginError("backend torch of the extractor blendshape cannot read the dilated convolution of its model")
    # TFLite: [out, height, width, in], for depthwise ones [1, height, width, out]; torch: [out, in, height, width].
    weight = node.constant(1).permute(3, 0, 1, 2) if depthwise else node.constant(1).permute(0, 3, 1, 2)
    function = partial(
        _convolve,
        stride=(options.StrideH(), options.StrideW()),
        groups=node.channels if depthwise else 1,
        same=options.Padding() == 0,
        activation=_activation(options),
    )
    weight = weight.contiguous(memory_format=torch.channels_last)
    bias = node.constant(2) if len(node.inputs) > 2 else torch.zeros(len(weight))
    return node.operation(function, node.argument(0), weight, bias)


def _max_pool(node: _Node) -> _Operation:
    options = node.options("Pool2DOptions")
    kernel, stride = (options.FilterHeight(), options.FilterWidth()), (options.StrideH(), options.StrideW())
    same, activation = options.Padding() == 0, _activation(options)

    def pool(x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2)
        if same:
            x = _padded(x, kernel, stride, -torch.inf)
        return activation(F.max_pool2d(x, kernel, stride)).permute(0, 2, 3, 1)

    return node.operation(pool)


def _prelu(node: _Node) -> _Operation:
    def prelu(x: Tensor, slope: Tensor) -> Tensor:
        return F.prelu(x.permute(0, 3, 1, 2), slope).permute(0, 2, 3, 1)

    return node.operation(prelu, node.argument(0), node.constant(1).reshape(node.channels))  # one slope a channel


def _pad(node: _Node) -> _Operation:
    before_after = node.numbers(1)
    pairs = list(zip(before_after[::2], before_after[1::2], strict=True))
    last_first = [amount for pair in reversed(pairs) for amount in pair]  # the order of torch
    return node.operation(partial(F.pad, pad=last_first))


def _reshape(node: _Node) -> _Operation:
    shape = (-1, *node.output_shape[1:])
    return node.operation(lambda x: x.reshape(shape))


def _strided_slice(node: _Node) -> _Operation:
    options = node.options("StridedSliceOptions")
    index: list[slice | int] = [slice(None)]  # the batch stays whole
    bounds = zip(node.numbers(1), node.numbers(2), node.numbers(3), strict=True)
    for dimension, (begin, end, step) in list(enumerate(bounds))[1:]:
        if options.ShrinkAxisMask() >> dimension & 1:
            index.append(begin)
        else:
            first = None if options.BeginMask() >> dimension & 1 else begin
            index.append(slice(first, None if options.EndMask() >> dimension & 1 else end, step))
    where = tuple(index)
    return node.operation(lambda x: x[where])


def _transpose(node: _Node) -> _Operation:
    order = node.numbers(1)
    return node.operation(lambda x: x.permute(order))


def _reduction(function: Callable[..., Tensor], node: _Node) -> _Operation:
    keep = bool(node.options("ReducerOptions").KeepDims())
    return node.operation(partial(function, dim=node.numbers(1), keepdim=keep))


def _concatenation(node: _Node) -> _Operation:
    axis = node.options("ConcatenationOptions").Axis()

    def concatenate(*parts: Tensor) -> Tensor:
        sizes = {part.shape[0] for part in parts} - {1}  # a constant is there once, for all of the batch
        batch = sizes.pop() if sizes else 1
        return torch.cat([part.expand(batch, *part.shape[1:]) for part in parts], axis)

    return node.operation(concatenate, *(node.argument(position) for position in range(len(node.inputs))))


def _arithmetic(function: Callable[[Tensor, Tensor], Tensor], table: str, node: _Node) -> _Operation:
    activation = _activation(node.options(table))
    both = function if activation is _identity else lambda a, b: activation(function(a, b))
    return node.operation(both, node.argument(0), node.argument(1))


def _squared_difference(node: _Node) -> _Operation:
    return node.operation(lambda a, b: (a - b).square(), node.argument(0), node.argument(1))


def _unary(function: Callable[[Tensor], Tensor], node: _Node) -> _Operation:
    return node.operation(function)


_READERS: Mapping[str, Callable[[_Node], _Operation]] = {
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "MAX_POOL_2D": _max_pool,
    "PRELU": _prelu,
    "PAD": _pad,
    "RESHAPE": _reshape,
    "STRIDED_SLICE": _strided_slice,
    "TRANSPOSE": _transpose,
    "CONCATENATION": _concatenation,
    "SQUARED_DIFFERENCE": _squared_difference,
    "MEAN": partial(_reduction, torch.mean),
    "SUM": partial(_reduction, torch.sum),
    "ADD": partial(_arithmetic, torch.add, "AddOptions"),
    "SUB": partial(_arithmetic, torch.sub, "SubOptions"),
    "MUL": partial(_arithmetic, torch.mul, "MulOptions"),
    "DIV": partial(_arithmetic, torch.div, "DivOptions"),
    "RELU": partial(_unary, F.relu),
    "LOGISTIC": partial(_unary, torch.sigmoid),
    "NEG": partial(_unary, torch.neg),
    "SQRT": partial(_unary, torch.sqrt),
    "RSQRT": partial(_unary, torch.rsqrt),
}
