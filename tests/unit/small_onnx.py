"""ONNX files of a network of one node, written by hand: the mean colour of an image.

Fields by their numbers in onnx.proto3; a field holds an int, a text, or a list of fields.
"""

FLOAT, DOUBLE = 1, 11  # element types


def encoded(fields):
    """Protobuf's bytes of (number, value) pairs."""
    found = b""
    for number, value in fields:
        if isinstance(value, int):
            found += varint(number << 3) + varint(value)
        else:
            content = value.encode() if isinstance(value, str) else encoded(value)
            found += varint(number << 3 | 2) + varint(len(content)) + content
    return found


def varint(number):
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def tensor(name, shape, kind=FLOAT):
    """An input or output; a side that is text is free."""
    sides = [(1, [(2 if isinstance(side, str) else 1, side)]) for side in shape]
    return [(1, name), (2, [(1, [(1, kind), (2, sides)])])]


def mean_colour(path, *, shape=("n", 3, 16, 16), kind=FLOAT, inputs=1, keepdims=0):
    """Write a network from images to (N, 3); with `keepdims` to (N, 3, 1, 1). Further inputs go unused."""
    axes = [1, 2] if shape[-1] == 3 else [2, 3]
    over = [(1, "axes"), *((8, axis) for axis in axes), (20, 7)]
    keep = [(1, "keepdims"), (3, keepdims), (20, 2)]
    node = [(1, "image0"), (2, "colour"), (4, "ReduceMean"), (5, over), (5, keep)]
    taken = [(11, tensor(f"image{number}", shape, kind)) for number in range(inputs)]
    given = tensor("colour", ("n", 3, 1, 1) if keepdims else ("n", 3), kind)
    graph = [(1, node), (2, "mean colour"), *taken, (12, given)]
    path.write_bytes(encoded([(1, 8), (8, [(1, ""), (2, 13)]), (7, graph)]))
    return path
