#!/usr/bin/env python3
"""Writes a tiny model of llama's architecture with random weights, half a megabyte: enough for a real engine to load
it and to write, at some thousand tokens a second, what no one can read. Not all of it is UTF-8.

    tiny_gguf.py FILE"""
import random
import struct
import sys

DIM, LAYERS, HEADS, FEED, CONTEXT = 64, 2, 4, 128, 4096
U32, F32, STRING, ARRAY, I32 = 4, 6, 8, 9, 5
WORDS = "the a job is done ok pylon agent relay sat pay event key and of to in"
TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"

tokens = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)] + ["\u2581" + w for w in WORDS.split()]
tokens += [chr(c) for c in range(ord("a"), ord("z") + 1)] + ["\u2581"]
kinds = [2, 3, 3] + [6] * 256 + [1] * (len(tokens) - 259)
scores = [0.0] * 259 + [-float(i) for i in range(len(tokens) - 259)]


def string(text):
    return struct.pack("<Q", len(text.encode())) + text.encode()


def one(kind, value):
    return string(value) if kind == STRING else struct.pack({U32: "<I", I32: "<i", F32: "<f"}[kind], value)


def entry(key, kind, value):
    if kind == ARRAY:
        of, values = value
        body = struct.pack("<IQ", of, len(values)) + b"".join(one(of, v) for v in values)
    else:
        body = one(kind, value)
    return string(key) + struct.pack("<I", kind) + body


def padding(size):
    return b"\0" * (-size % 32)


ENTRIES = [
    ("general.architecture", STRING, "llama"), ("general.name", STRING, "tiny-random"), ("general.alignment", U32, 32),
    ("llama.context_length", U32, CONTEXT), ("llama.embedding_length", U32, DIM), ("llama.block_count", U32, LAYERS),
    ("llama.feed_forward_length", U32, FEED), ("llama.attention.head_count", U32, HEADS),
    ("llama.attention.head_count_kv", U32, HEADS), ("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
    ("llama.rope.dimension_count", U32, DIM // HEADS), ("llama.vocab_size", U32, len(tokens)),
    ("tokenizer.ggml.model", STRING, "llama"), ("tokenizer.ggml.tokens", ARRAY, (STRING, tokens)),
    ("tokenizer.ggml.scores", ARRAY, (F32, scores)), ("tokenizer.ggml.token_type", ARRAY, (I32, kinds)),
    ("tokenizer.ggml.bos_token_id", U32, 1), ("tokenizer.ggml.eos_token_id", U32, 2),
    ("tokenizer.ggml.unknown_token_id", U32, 0), ("tokenizer.chat_template", STRING, TEMPLATE)]

TENSORS = [("token_embd.weight", [DIM, len(tokens)])]
for layer in range(LAYERS):
    for name, shape in (("attn_norm", [DIM]), ("attn_q", [DIM, DIM]), ("attn_k", [DIM, DIM]), ("attn_v", [DIM, DIM]),
                        ("attn_output", [DIM, DIM]), ("ffn_norm", [DIM]), ("ffn_gate", [DIM, FEED]), ("ffn_up", [DIM, FEED]),
                        ("ffn_down", [FEED, DIM])):
        TENSORS.append((f"blk.{layer}.{name}.weight", shape))
TENSORS += [("output_norm.weight", [DIM]), ("output.weight", [DIM, len(tokens)])]

random.seed(7)  # the same file each time
head = b"GGUF" + struct.pack("<IQQ", 3, len(TENSORS), len(ENTRIES)) + b"".join(entry(*e) for e in ENTRIES)
data = b""
for name, shape in TENSORS:
    count = 1
    for n in shape:
        count *= n
    head += string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape)
    head += struct.pack("<IQ", 0, len(data))
    weights = [1.0] * count if "norm" in name else [random.gauss(0, .08) for _ in range(count)]
    data += struct.pack(f"<{count}f", *weights)
    data += padding(len(data))
head += padding(len(head))
with open(sys.argv[1], "wb") as f:
    f.write(head + data)
