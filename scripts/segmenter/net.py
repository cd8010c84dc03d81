"""The network: a small U-Net whose full-resolution level is thin, and its export to ONNX node by node."""

from __future__ import annotations

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (12, 24, 48, 96, 128)


class Block(nn.Sequential):
    """Convolution 3 x 3, batch normalisation, ReLU."""

    def __init__(self, n_in: int, n_out: int, *, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(n_in, n_out, 3, stride=stride, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(n_out, momentum=0.05),
            nn.ReLU(inplace=True),
        )


class Segmenter(nn.Module):
    """Logits ``(N, K, H, W)`` of images ``(N, C, H, W)``; H and W are multiples of 16."""

    def __init__(self, n_channels: int, n_classes: int, widths: tuple[int, ...] = WIDTHS) -> None:
        super().__init__()
        w0, w1, w2, w3, w4 = widths
        self.enter = Block(n_channels, w0)
        self.down1 = nn.Sequential(Block(w0, w1, stride=2), Block(w1, w1))
        self.down2 = nn.Sequential(Block(w1, w2, stride=2), Block(w2, w2))
        self.down3 = nn.Sequential(Block(w2, w3, stride=2), Block(w3, w3))
        self.down4 = nn.Sequential(Block(w3, w4, stride=2), Block(w4, w4, dilation=2), Block(w4, w4, dilation=4))
        self.up3 = nn.Sequential(Block(w4 + w3, w3), Block(w3, w3))
        self.up2 = nn.Sequential(Block(w3 + w2, w2), Block(w2, w2))
        self.up1 = nn.Sequential(Block(w2 + w1, w1), Block(w1, w1))
        self.up0 = nn.Sequential(Block(w1 + w0, 16))
        self.leave = nn.Conv2d(16, n_classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        full = self.enter(images)
        half = self.down1(full)
        quarter = self.down2(half)
        eighth = self.down3(quarter)
        deep = self.down4(eighth)
        deep = self.up3(_joined(deep, eighth))
        deep = self.up2(_joined(deep, quarter))
        deep = self.up1(_joined(deep, half))
        deep = self.up0(_joined(deep, full))
        return self.leave(deep)


def _joined(deep: Tensor, skip: Tensor) -> Tensor:
    return torch.cat([functional.interpolate(deep, scale_factor=2.0, mode="nearest"), skip], dim=1)


class _Graph:
    """ONNX nodes and weights as they are added; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.constant("twice", np.array([1, 1, 2, 2], np.float32))

    def constant(self, name: str, value: np.ndarray) -> str:
        self.weights.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str, value: np.ndarray) -> str:
        """Add weights, stored in 16 bits and computed with in 32."""
        return self.add("Cast", [self.constant(name, value.astype(np.float16))], to=TensorProto.FLOAT)

    def add(self, kind: str, inputs: list[str], **attributes: object) -> str:
        name = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def convolution(self, x: str, convolution: nn.Conv2d, norm: nn.BatchNorm2d | None) -> str:
        weight, bias = _folded(convolution, norm)
        place = len(self.nodes)
        pad = convolution.padding[0]
        return self.add(
            "Conv",
            [x, self.weight(f"w{place}", weight), self.weight(f"b{place}", bias)],
            kernel_shape=list(convolution.kernel_size),
            strides=list(convolution.stride),
            dilations=list(convolution.dilation),
            pads=[pad] * 4,
        )

    def blocks(self, x: str, module: nn.Module) -> str:
        for block in [module] if isinstance(module, Block) else module:
            x = self.add("Relu", [self.convolution(x, block[0], block[1])])
        return x

    def joined(self, deep: str, skip: str) -> str:
        larger = self.add(
            "Resize",
            [deep, "", "twice"],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )
        return self.add("Concat", [larger, skip], axis=1)


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[np.ndarray, np.ndarray]:
    """Return weight and bias with the batch normalisation folded in."""
    weight = convolution.weight.detach().double().cpu()
    if norm is None:
        return weight.float().numpy(), convolution.bias.detach().float().cpu().numpy()
    scale = norm.weight.detach().double().cpu() / torch.sqrt(norm.running_var.double().cpu() + norm.eps)
    bias = norm.bias.detach().double().cpu() - norm.running_mean.double().cpu() * scale
    return (weight * scale[:, None, None, None]).float().numpy(), bias.float().numpy()


def to_onnx(net: Segmenter) -> bytes:
    """Return the network as ONNX bytes: ``images (N, C, H, W)`` -> ``probabilities (N, K, H, W)``."""
    graph = _Graph()
    full = graph.blocks("images", net.enter)
    half = graph.blocks(full, net.down1)
    quarter = graph.blocks(half, net.down2)
    eighth = graph.blocks(quarter, net.down3)
    deep = graph.blocks(eighth, net.down4)
    for skip, module in ((eighth, net.up3), (quarter, net.up2), (half, net.up1), (full, net.up0)):
        deep = graph.blocks(graph.joined(deep, skip), module)
    logits = graph.convolution(deep, net.leave, None)
    graph.nodes.append(helper.make_node("Softmax", [logits], ["probabilities"], axis=1))
    n_channels, n_classes = net.enter[0].in_channels, net.leave.out_channels
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "t2disc_segmenter",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", n_channels, "h", "w"])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", n_classes, "h", "w"])],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
        producer_name="t2disc",
    )
    onnx.checker.check_model(model)
    return model.SerializeToString()
