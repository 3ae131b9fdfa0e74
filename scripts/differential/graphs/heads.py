"""Which values of a network are its outputs, what they are called, and which is the embedding and which the logits."""
from .vectors import as_vector, linear, normalize


def heads(maker, value):
    choices = maker.choices
    kind = choices.pick(["pooled", "normalized", "classifier", "embedding and logits", "embedding and logits",
                         "normalized and logits", "all three", "two heads", "projection"])
    value = as_vector(maker, value) if choices.chance(85) or kind != "pooled" else value
    extra = []
    result = dict(normalizes=True, logits=None, outputs=None, options=[])
    names = choices.pick(["natural", "anonymous", "options"])

    def scores(source):
        logits = linear(maker, source, choices.pick([3, 5, 10]))
        if choices.chance(15):
            logits = maker.add("Mul", [logits, maker.scalar(choices.pick([2.0, 16.0]))], logits.shape)
        shown = logits
        if choices.chance(20):
            op = choices.pick(["Softmax", "LogSoftmax", "Sigmoid"])
            axis = choices.pick([1, None] + [-1] * (maker.opset >= 11))
            shown = maker.add(op, [logits], logits.shape, axis=None if op == "Sigmoid" else axis)
        return logits, shown

    if kind == "pooled":
        # The value may be a linear layer's output: then nothing tells whether it holds logits, unless its name does.
        embedding, shown = value, [("embedding", value)]
        if names == "anonymous":
            names = "natural"
    elif kind == "projection":
        embedding = linear(maker, value, 8)
        shown = [("embedding", embedding)]
        names = "natural" if names == "anonymous" else names
    elif kind == "normalized":
        embedding, large = normalize(maker, value)
        result["normalizes"] = None if large else False
        shown = [("normalized_embedding", embedding)]
    elif kind == "classifier":
        embedding = value
        logits, output = scores(value)
        result["logits"] = logits.name
        shown = [("logits", output)]
        # Without a name, one linear layer's output may as well be taken for an embedding.
        result["may_be_embedding"] = names == "anonymous"
        names = "natural" if names == "options" else names
    elif kind == "embedding and logits":
        embedding = linear(maker, value, 8) if choices.chance(40) else value
        logits, output = scores(embedding)
        shown = [("embedding", embedding), ("logits", output)]
        result["logits"] = logits.name
    elif kind in ("normalized and logits", "all three"):
        embedding, large = normalize(maker, value)
        result["normalizes"] = None if large else False
        logits, output = scores(embedding if choices.chance(30) else value)
        shown = [("normalized_embedding", embedding), ("logits", output)]
        if kind == "all three":
            shown.insert(1, ("embedding", value))
            names = "natural" if names == "anonymous" else names
        result["logits"] = logits.name
    else:
        embedding = linear(maker, value, 8)
        logits, output = scores(value)
        shown = [("embedding", embedding), ("logits", output)]
        result["logits"] = logits.name
        if names == "anonymous":
            result["must_refuse"] = "two heads side by side, and nothing says which is the embedding"
    if maker.has_loose_units:
        result["normalizes"] = None
    # Values that are outputs already keep one name.
    shown = list({output.name: (role, output) for role, output in shown}.values())
    if choices.chance(40):
        shown.reverse()
    return named(maker, shown, embedding, names, result)


def named(maker, shown, embedding, names, result):
    """Gives the outputs their names."""
    choices = maker.choices
    anonymous = choices.pick([["output", "other", "third"], ["feat", "score", "aux"], ["495", "498", "501"]])
    outputs, options = [], []
    for index, (role, value) in enumerate(shown):
        name = role if names == "natural" else anonymous[index]
        if not any(value.name in node.output for node in maker.nodes):
            value = maker.add("Identity", [value], value.shape)
        renamed = maker.rename(value, name)
        if result["logits"] == value.name:
            result["logits"] = name
        if embedding.name == value.name:
            embedding = renamed
        outputs.append(name)
        if names == "options":
            option = {"logits": "--logits-output", "normalized_embedding": "--embedding-output"}.get(role)
            if role == "embedding" and not any(other == "normalized_embedding" for other, _ in shown):
                option = "--embedding-output"
            if option:
                options += [option, name]
    if result.get("must_refuse") is None and len(outputs) == 1 and choices.chance(5):
        # An output that nobody asked for.
        maps = [value.name for value in maker.maps if value.name not in outputs]
        if maps and names != "anonymous":
            outputs.insert(choices.below(2), maps[0])
    return dict(result, embedding=embedding.name, outputs=outputs, options=options)
