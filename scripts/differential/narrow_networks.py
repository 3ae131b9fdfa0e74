"""Narrow, shallow variants of the networks of torchvision and pretrainedmodels. They have every kind of layer that the full ones
have, and run in milliseconds."""
from pretrainedmodels.models import nasnet_mobile, pnasnet, senet
from torch import nn
from torchvision.models import resnet

from compare_with_pytorch import Case

CLASSES = 11


class NarrowResNet(resnet.ResNet):
    """Two bottlenecks per stage; 8 channels after the stem."""

    def __init__(self):
        nn.Module.__init__(self)
        self._norm_layer, self.inplanes, self.dilation, self.groups, self.base_width = nn.BatchNorm2d, 8, 1, 1, 64
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for stage in range(4):
            layer = self._make_layer(resnet.Bottleneck, 8 << stage, 2, stride=2 if stage else 1)
            setattr(self, f"layer{stage + 1}", layer)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8 * 32, CLASSES)


class NarrowSENet(senet.SENet):
    """One or two blocks per stage; 8 channels in the first convolution, and 4 groups."""

    def __init__(self):
        nn.Module.__init__(self)
        self.inplanes = 16
        layers = []
        for index, (inputs, outputs) in enumerate([(3, 8), (8, 8), (8, 16)]):
            layers += [(f"conv{index + 1}", nn.Conv2d(inputs, outputs, 3, 1 if index else 2, 1, bias=False)),
                       (f"bn{index + 1}", nn.BatchNorm2d(outputs)), (f"relu{index + 1}", nn.ReLU())]
        layers.append(("pool", nn.MaxPool2d(3, 2, ceil_mode=True)))
        self.layer0 = nn.Sequential()
        for name, layer in layers:
            self.layer0.add_module(name, layer)
        for stage, blocks in enumerate([1, 2, 1, 1]):
            size = 3 if stage else 1
            layer = self._make_layer(senet.SEBottleneck, 4 << stage, blocks, groups=4, reduction=4, stride=2 if stage else 1,
                                     downsample_kernel_size=size, downsample_padding=size // 2)
            setattr(self, f"layer{stage + 1}", layer)
        self.last_linear = nn.Linear(self.inplanes, CLASSES)


class NarrowNASNet(nasnet_mobile.NASNetAMobile):
    """Two cells per stage; 8 filters."""

    def __init__(self):
        super().__init__(num_classes=CLASSES, stem_filters=8, penultimate_filters=192)
        for index in (2, 3, 8, 9, 14, 15):
            delattr(self, f"cell_{index}")

    def features(self, x):
        stem = self.conv0(x)
        previous = self.cell_stem_0(stem)
        current = self.cell_stem_1(stem, previous)
        for first in (0, 6, 12):
            if first:
                previous, current = current, getattr(self, f"reduction_cell_{first // 6 - 1}")(current, previous)
            for index in (first, first + 1):
                previous, current = current, getattr(self, f"cell_{index}")(current, previous)
        return current


class NarrowPNASNet(pnasnet.PNASNet5Large):
    """Six cells with 4 to 16 channels per branch. Normal cells follow each reduction, with and without shifted windows."""

    def __init__(self):
        nn.Module.__init__(self)
        self.conv_0 = nn.Sequential()
        self.conv_0.add_module("conv", nn.Conv2d(3, 8, 3, 2, bias=False))
        self.conv_0.add_module("bn", nn.BatchNorm2d(8, eps=0.001))
        self.cell_stem_0 = pnasnet.CellStem0(8, 4, 8, 4)
        self.cell_stem_1 = pnasnet.Cell(8, 4, 20, 4, match_prev_layer_dimensions=True, is_reduction=True)
        self.cell_0 = pnasnet.Cell(20, 4, 20, 4, match_prev_layer_dimensions=True)
        self.cell_1 = pnasnet.Cell(20, 8, 20, 8, is_reduction=True, zero_pad=True)
        self.cell_2 = pnasnet.Cell(20, 8, 40, 8, match_prev_layer_dimensions=True)
        self.cell_3 = pnasnet.Cell(40, 8, 40, 8)
        self.cell_4 = pnasnet.Cell(40, 16, 40, 16, is_reduction=True)
        self.cell_5 = pnasnet.Cell(40, 16, 80, 16, match_prev_layer_dimensions=True)
        self.last_linear = nn.Linear(80, CLASSES)

    def features(self, x):
        stem = self.conv_0(x)
        previous = self.cell_stem_0(stem)
        current = self.cell_stem_1(stem, previous)
        for index in range(6):
            previous, current = current, getattr(self, f"cell_{index}")(previous, current)
        return current


class Narrow(Case):
    """A case with a trunk of this file instead of a full one."""

    nets = {"resnet": NarrowResNet, "senet": NarrowSENet, "nasnet": NarrowNASNet, "pnasnet": NarrowPNASNet}

    def make(self, trunk, classes):
        net = self.nets[trunk]()
        if trunk == "resnet":
            return net, nn.Sequential(*list(net.children())[:-2]), "fc"
        return net, net.features if trunk == "senet" else lambda x: net.features(x).relu(), "last_linear"
