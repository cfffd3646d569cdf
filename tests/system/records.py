# SPDX-License-Identifier: Apache-2.0
"""Sealed records read from segment files without any of Probity's code: frames, headers, and payloads by
proto/record.proto as it stands. For tests that count again what a program counted."""
import glob
import hashlib
import os
import re
import struct

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCHEMAS = {1: 'AiCall', 2: 'Control', 3: 'McpCall', 4: 'Denial'}


def _messages():
    with open(os.path.join(TOP, 'proto', 'record.proto'), encoding='utf-8') as f:
        text = re.sub(r'//.*', '', f.read())
    found, kinds = {}, {}
    for name, body in re.findall(r'^message (\w+) \{(.*?)^\}', text, re.M | re.S):
        for enum, values in re.findall(r'enum (\w+) \{(.*?)\}', body, re.S):
            kinds = {int(n): word.lower() for word, n in re.findall(r'(\w+) = (\d+);', values)}
            body = re.sub(r'enum \w+ \{.*?\}', '', body, flags=re.S)
        found[name] = {int(number): (field, kind, bool(repeated), bool(optional)) for optional, repeated, kind, field, number in
                       re.findall(r'(oneof \w+ \{ )?(repeated )?\b(\w+) (\w+) = (\d+);', body)}
    return found, kinds


MESSAGES, KINDS = _messages()


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _scalar(kind, raw):
    if kind in ('int64', 'int32'):
        return raw - (1 << 64) if raw >> 63 else raw
    if kind == 'sint64':
        return (raw >> 1) ^ -(raw & 1)
    return bool(raw) if kind == 'bool' else raw


def _empty(kind, repeated, optional):
    if repeated:
        return []
    if optional or kind in MESSAGES:
        return None
    return {'string': '', 'bytes': b'', 'bool': False, 'double': 0.0}.get(kind, 0)


def decode(message, data):
    """Every field by its name; what is absent has its default, None for an optional or a message."""
    fields = MESSAGES[message]
    out = {name: _empty(kind, repeated, optional) for name, kind, repeated, optional in fields.values()}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire == 1:
            value, at = struct.unpack('<d', data[at:at + 8])[0], at + 8
        else:
            assert wire == 2, wire
            n, at = _varint(data, at)
            value, at = data[at:at + n], at + n
        name, kind, repeated, _ = fields[tag >> 3]
        if kind == 'string':
            value = value.decode('utf-8', 'replace')
        elif kind in MESSAGES:
            value = decode(kind, value)
        elif repeated and wire == 2 and kind not in ('bytes',):  # packed numbers
            packed, i = value, 0
            while i < len(packed):
                value, i = _varint(packed, i)
                out[name].append(_scalar(kind, value))
            continue
        elif wire == 0:
            value = _scalar(kind, value)
        if repeated:
            out[name].append(value)
        else:
            out[name] = value
    return out


def read(folder):
    """All records of a spool, in order: seq, wall_ns, leaf, message name, message; whether they follow."""
    found, prev = [], None
    for name in sorted(glob.glob(os.path.join(folder, '*.seg'))):
        with open(name, 'rb') as f:
            data = f.read()
        at = 0
        while at < len(data):
            magic, n, _ = struct.unpack('>4sII', data[at:at + 12])
            assert magic == b'PBR1', magic
            record = data[at + 12:at + 12 + n]
            at += 12 + n
            seq, _, wall = struct.unpack('>QQQ', record[48:72])
            schema, length = struct.unpack('>II', record[96:104])
            header, payload = record[:176], record[176:176 + length]
            assert hashlib.sha256(payload).digest() == record[144:176]
            assert prev is None or record[112:144] == prev
            prev = hashlib.sha256(b'\0' + header).digest()
            found.append({'seq': seq, 'wall_ns': wall, 'leaf': prev, 'chain': record[24:40], 'type': SCHEMAS[schema],
                          'm': decode(SCHEMAS[schema], payload)})
    return found


def root_of(leaf, index, size, path):
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2), None if it has not the right length."""
    node, fn, sn = leaf, index, size - 1
    for p in path:
        if not sn:
            return None
        if fn & 1 or fn == sn:
            node = hashlib.sha256(b'\1' + p + node).digest()
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = hashlib.sha256(b'\1' + node + p).digest()
        fn, sn = fn >> 1, sn >> 1
    return None if sn else node
