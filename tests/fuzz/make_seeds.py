#!/usr/bin/env python3
"""make_seeds.py DIR: a folder of small good files for each reader, from which fuzz.cpp begins."""

import base64
import gzip
import json
import shutil
import struct
import sys
import zlib
from pathlib import Path

out = Path(sys.argv[1])
here = Path(__file__).resolve().parent


def seed(kind, name, content):
    (out / kind).mkdir(parents=True, exist_ok=True)
    (out / kind / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def safetensors(tensors, metadata):
    header, data = {"__metadata__": metadata}, b""
    for name, dtype, shape, content in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def png(colour, bits, row, width, height, more=b""):
    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress((b"\0" + row) * height)) + chunk(b"IEND", b"")


images = struct.pack(">IIII", 0x803, 2, 3, 4) + bytes(range(24))
seed("idx", "images", images)
seed("cifar", "10", bytes([9]) + bytes(i % 251 for i in range(3072)))
seed("cifar", "100", bytes([19, 99]) + bytes(i % 251 for i in range(3072)))
seed("idx_gz", "images", gzip.compress(images, mtime=0))
(out / "mat").mkdir(parents=True, exist_ok=True)
shutil.copy(here.parent / "data/svhn_by_scipy.mat", out / "mat/scipy")

floats = struct.pack("<4f", 1, 2, -3, 0.5)
weights = [("conv1.weight", "F32", [4, 1, 1, 1], floats), ("half", "F16", [2], b"\0\x3c\0\xbc"), ("brain", "BF16", [2], b"\x80\x3f\x80\xbf")]
seed("safetensors", "weights", safetensors(weights, {"format": "pt"}))
seed("checkpoint", "checkpoint", safetensors(weights + [("momentum.conv1.weight", "F32", [4, 1, 1, 1], floats)], {
    "format": "sdepth checkpoint 1", "step": "3", "epoch": "1", "program": "{}", "training": "{\"state\": [\"momentum\"]}", "counts": "{}"}))
seed("gates", "gates", "1,0,1\n0,0,1\n1,1,1\n")
seed("table", "losses", "step,loss\n0,2.5\n1,1.25e-3\n")
seed("options", "run", "--lr\n0.05\n--epochs\n3\n--lr-drop\n0.3,0.6\n--no-augment\n--survival-over-time\nearly:0.2\n--freeze\nconv1,blocks.\n--seed\n18446744073709551615\n")
seed("stored_options", "stored", json.dumps({"model": "resnet20", "epochs": 3, "steps": 0, "lr": 0.1, "nesterov": True, "lr-drop": "0.5,0.75"}))
seed("picture", "rgb.png", png(2, 8, bytes(12), 4, 3))
seed("picture", "grey16.png", png(0, 16, bytes(8), 4, 3))
palette = b"\0\0\0\x06PLTE\1\2\3\4\5\6" + struct.pack(">I", zlib.crc32(b"PLTE\1\2\3\4\5\6"))
seed("picture", "palette.png", png(3, 1, b"\xa0", 4, 3, palette))
seed("picture", "rgb.jpeg", base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H////6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4"
    "+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/wAARCAAHAAkDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAED/8QAHxAAAgECBwAAAAAAAAAAAAAAAA"
    "ECAwQRFCFTYZLh/8QAFAEBAAAAAAAAAAAAAAAAAAAAA//EABoRAAICAwAAAAAAAAAAAAAAAAACAQMRE1H/2gAMAwEAAhEDEQA/AJG1inpRWHMjTLx2V28ADtslGxAuteH/2Q=="))
seed("list", "list", "path,label\ncats/1.png,cat\n\"a, b.png\",dog\n")
