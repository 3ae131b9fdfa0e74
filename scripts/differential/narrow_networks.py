"""Narrow, shallow variants of the networks of torchvision, timm and pretrainedmodels. They have every kind of layer that the full ones
have, and run in milliseconds."""
from functools import partial

import efficientnet_pytorch
import timm
import torch
from efficientnet_pytorch.utils import BlockDecoder as EfficientNetBlocks
from pretrainedmodels.models import nasnet_mobile, pnasnet, senet
from timm.models import byobnet, convnext
from timm.models import efficientnet as timm_efficientnet
from timm.models import resnet as timm_resnet
from torch import nn
from torchvision.models import densenet, efficientnet, mobilenetv2, mobilenetv3, regnet, resnet

from compare_with_pytorch import Case, gem, normalize

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


def narrow_resnet_d():
    """timm's SE-ResNet-D: a deep stem, shortcuts that pool, and squeeze-and-excitation."""
    return timm_resnet.ResNet(
        timm_resnet.Bottleneck, [1, 2, 1, 1], num_classes=CLASSES, stem_width=4, stem_type="deep", avg_down=True,
        channels=(4, 8, 8, 16), block_args={"attn_layer": partial(timm.layers.SEModule, rd_ratio=1 / 4, rd_divisor=4)})


def narrow_mobilenet_v2():
    return mobilenetv2.MobileNetV2(num_classes=CLASSES, width_mult=0.1, round_nearest=4)


def narrow_mobilenet_v3():
    """MobileNetV3-Small, whose head has two linear layers."""
    def block(*values):
        return mobilenetv3.InvertedResidualConfig(*values, width_mult=1)
    settings = [
        block(8, 3, 8, 8, True, "RE", 2, 1), block(8, 3, 24, 8, False, "RE", 2, 1), block(8, 3, 24, 8, False, "RE", 1, 1),
        block(8, 5, 24, 16, True, "HS", 2, 1), block(16, 5, 32, 16, True, "HS", 1, 1), block(16, 5, 32, 16, True, "HS", 1, 1),
        block(16, 5, 32, 16, True, "HS", 1, 1), block(16, 5, 32, 16, True, "HS", 1, 1), block(16, 5, 48, 24, True, "HS", 2, 1),
        block(24, 5, 48, 24, True, "HS", 1, 1), block(24, 5, 48, 24, True, "HS", 1, 1)]
    return mobilenetv3.MobileNetV3(settings, last_channel=32, num_classes=CLASSES)


def narrow_efficientnet_v2():
    """torchvision's EfficientNetV2, with single and fused convolutions."""
    fused, plain = efficientnet.FusedMBConvConfig, efficientnet.MBConvConfig
    settings = [
        fused(1, 3, 1, 8, 8, 2), fused(4, 3, 2, 8, 8, 2), fused(4, 3, 2, 8, 16, 1), plain(4, 3, 2, 16, 16, 2),
        plain(6, 3, 1, 16, 24, 1), plain(6, 3, 2, 24, 32, 2)]
    return efficientnet.EfficientNet(
        settings, 0.1, num_classes=CLASSES, norm_layer=partial(nn.BatchNorm2d, eps=1e-3), last_channel=48)


def narrow_efficientnet_pytorch():
    """efficientnet-pytorch's EfficientNet, which pads like TensorFlow."""
    blocks = EfficientNetBlocks.decode([
        "r1_k3_s11_e1_i32_o16_se0.25", "r2_k3_s22_e3_i16_o32_se0.25", "r1_k5_s22_e3_i32_o48_se0.25",
        "r1_k3_s22_e3_i48_o64_se0.25", "r2_k5_s11_e3_i64_o80_se0.25", "r1_k5_s22_e3_i80_o96_se0.25",
        "r1_k3_s11_e3_i96_o128_se0.25"])
    settings = efficientnet_pytorch.utils.GlobalParams(
        width_coefficient=0.25, depth_coefficient=1.0, image_size=None, dropout_rate=0.2, num_classes=CLASSES,
        batch_norm_momentum=0.99, batch_norm_epsilon=1e-3, drop_connect_rate=0.2, depth_divisor=4, min_depth=None,
        include_top=True)
    return efficientnet_pytorch.EfficientNet(blocks, settings)


def narrow_timm_efficientnet():
    """timm's EfficientNetV2 with its own padding."""
    stages = ["cn_r1_k3_s1_e1_c8_skip", "er_r2_k3_s2_e4_c8", "er_r1_k3_s2_e4_c12", "ir_r2_k3_s2_e4_c16_se0.25",
              "ir_r2_k3_s1_e6_c20_se0.25", "ir_r1_k3_s2_e6_c24_se0.25"]
    return timm_efficientnet.EfficientNet(
        timm_efficientnet.decode_arch_def([[stage] for stage in stages]), num_classes=CLASSES, num_features=32, stem_size=8,
        fix_stem=True, act_layer=nn.SiLU)


def narrow_regnet():
    """torchvision's RegNetY."""
    parameters = regnet.BlockParams(
        depths=[1, 2, 1, 1], widths=[8, 16, 24, 32], group_widths=[4, 8, 8, 16], bottleneck_multipliers=[1.0] * 4,
        strides=[2] * 4, se_ratio=0.25)
    return regnet.RegNet(parameters, num_classes=CLASSES, stem_width=8)


def narrow_densenet():
    return densenet.DenseNet(growth_rate=4, block_config=(1, 2, 2, 1), num_init_features=8, bn_size=2, num_classes=CLASSES)


def narrow_convnext(**options):
    """timm's ConvNeXt, with layer norms and factors that differ by channel."""
    net = convnext.ConvNeXt(
        num_classes=CLASSES, depths=(1, 1, 2, 1), dims=(8, 16, 24, 32), **(options or {"ls_init_value": 0.5}))
    generator = torch.Generator().manual_seed(1)
    for name, parameter in net.named_parameters():
        if "grn" in name:
            parameter.data += torch.randn(parameter.shape, generator=generator) / 2
        if "norm" in name or "gamma" in name or "stem.1" in name or "downsample.0" in name:
            parameter.data += 0.5 * torch.rand(parameter.shape, generator=generator) - 0.25
    return net


def narrow_convnextv2():
    """timm's ConvNeXt V2: global response normalisation instead of factors."""
    return narrow_convnext(use_grn=True, ls_init_value=None)


def narrow_byobnet(stem, stages, **options):
    return byobnet.ByobNet(
        byobnet.ByoModelCfg(blocks=tuple(stages), stem_type=stem, stem_chs=8, **options), num_classes=CLASSES)


def narrow_repvgg():
    """timm's RepVGG with all its branches, grouped convolutions and squeeze-and-excitation."""
    stages = [byobnet.ByoBlockCfg(type="rep", d=depth, c=channels, gs=size)
              for depth, channels, size in [(1, 8, 0), (2, 8, 4), (2, 16, 0), (1, 24, 0)]]
    return narrow_byobnet("rep", stages, attn_layer="se", attn_kwargs={"rd_ratio": 1 / 4, "rd_divisor": 4})


def narrow_mobileone():
    """timm's MobileOne with all its branches."""
    stages, inputs = [], 8
    for channels, branches in [(8, 1), (16, 2), (16, 1), (24, 3)]:
        options = {"num_conv_branches": branches}
        stages.append((
            byobnet.ByoBlockCfg(type="one", d=1, c=inputs, gs=1, s=2, block_kwargs=options),
            byobnet.ByoBlockCfg(type="one", d=1, c=channels, gs=0, s=1, block_kwargs={"kernel_size": 1, **options}),
            byobnet.ByoBlockCfg(type="one", d=1, c=channels, gs=1, s=1, block_kwargs=options)))
        inputs = channels
    return narrow_byobnet("one", stages)


class Narrow(Case):
    """A case with a trunk of this file instead of a full one."""

    nets = {
        "resnet": NarrowResNet, "senet": NarrowSENet, "nasnet": NarrowNASNet, "pnasnet": NarrowPNASNet,
        "resnet_d": narrow_resnet_d, "mobilenet_v2": narrow_mobilenet_v2, "mobilenet_v3": narrow_mobilenet_v3,
        "efficientnet_v2": narrow_efficientnet_v2, "efficientnet": narrow_efficientnet_pytorch,
        "timm_efficientnet": narrow_timm_efficientnet, "regnet": narrow_regnet, "repvgg": narrow_repvgg,
        "mobileone": narrow_mobileone, "densenet": narrow_densenet, "convnext": narrow_convnext,
        "convnextv2": narrow_convnextv2}

    # With layers between pooling and embedding, which checkpoints with MultiGrain's names do not have.
    onnx_only = {"mobilenet_v3"}

    def make(self, trunk, classes):
        net = self.nets[trunk]()
        self.neck = None
        if trunk == "mobilenet_v3":
            self.neck = nn.Sequential(*net.classifier[:2])
        if trunk.startswith("convnext"):
            self.neck = lambda rows: net.head.norm(rows[..., None, None]).flatten(1)
        if trunk == "densenet":
            return net, lambda x: net.features(x).relu(), "classifier"
        if trunk == "resnet":
            return net, nn.Sequential(*list(net.children())[:-2]), "fc"
        if trunk == "regnet":
            return net, lambda x: net.trunk_output(net.stem(x)), "fc"
        if trunk == "efficientnet":
            return net, net.extract_features, "_fc"
        if "nasnet" in trunk:
            return net, lambda x: net.features(x).relu(), "last_linear"
        if hasattr(net, "features"):
            return net, net.features, {"senet": "last_linear", "mobilenet_v3": "classifier.3"}.get(trunk, "classifier.1")
        classifier = {"resnet_d": "fc", "timm_efficientnet": "classifier"}.get(trunk, "head.fc")
        return net, net.forward_features, classifier

    def run(self, image):
        if self.neck is None:
            return super().run(image)
        embedding = self.neck(gem(self.features(image), self.exponent))
        return normalize(embedding), self.classifier(embedding)
