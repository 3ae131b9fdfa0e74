"""The network of the bundled demonstration in PyTorch: a MultiGrain ResNet-50 of a quarter of the usual width."""
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck, ResNet


class DemoNetwork(ResNet):
    """The network, with 16 channels instead of 64 after the stem, and GeM pooling with exponent 3."""

    def __init__(self, classes=50, base=16):
        nn.Module.__init__(self)
        self._norm_layer, self.inplanes, self.dilation, self.groups, self.base_width = nn.BatchNorm2d, base, 1, 1, 64
        self.conv1 = nn.Conv2d(3, base, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(base)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for stage, blocks in enumerate((3, 4, 6, 3)):
            layer = self._make_layer(Bottleneck, base << stage, blocks, stride=2 if stage else 1)
            setattr(self, f"layer{stage + 1}", layer)
        self.classifier = nn.Linear(base * 32, classes)

    def forward(self, x):
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        embedding = x.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)
        return embedding / (embedding.norm(dim=1, keepdim=True) + 1e-6), self.classifier(embedding)


def load(path):
    """Returns the network with the weights of a checkpoint, in evaluation mode."""
    state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    network = DemoNetwork()
    missing, unexpected = network.load_state_dict({k.removeprefix("features."): v for k, v in state.items()}, strict=False)
    assert not missing and set(unexpected) == {"pool.p"}, (missing, unexpected)
    return network.eval()
