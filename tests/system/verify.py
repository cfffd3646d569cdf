#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A verifier of a directory of segments, written from docs/RECORD-FORMAT.md alone.

usage: verify.py DIR [CHAIN.PUB [SEED-HEX]] [--witness VKEY]... [--checkpoint FILE]...
Prints "ok ..." and ends with 0, or "KIND: ..." and 1.

Simple where `probity verify` is fast: everything is read into memory, the first finding ends it, and no
recorder may be at work on the directory.
"""
import argparse
import base64
import hashlib
import hmac
import os
import re
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

START, LOSS, REPAIR, SEAL, CLOCK_STEP, ERASE, TPM = 1, 4, 5, 8, 9, 10, 13
SECOND = 10**9


class Finding(Exception):
    pass


def need(holds, kind, what=''):
    if not holds:
        raise Finding(f'{kind}: {what}')


def signed(public, message, signature, kind):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        raise Finding(f'{kind}: an Ed25519 signature does not hold') from None


def sha(*parts):
    return hashlib.sha256(b''.join(parts)).digest()


# CRC-32C by table
TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82f63b78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    c = 0xffffffff
    for b in data:
        c = c >> 8 ^ TABLE[(c ^ b) & 255]
    return c ^ 0xffffffff


def varint(p, at):
    v = shift = 0
    while True:
        b = p[at]
        at += 1
        v |= (b & 127) << shift
        shift += 7
        if b < 128:
            return v & (1 << 64) - 1, at


def fields(p):
    """The fields of a protobuf message: {number: int or bytes}, the last of each."""
    out, at = {}, 0
    while at < len(p):
        tag, at = varint(p, at)
        kind = tag & 7
        if kind == 0:
            v, at = varint(p, at)
        elif kind == 2:
            n, at = varint(p, at)
            v, at = p[at:at + n], at + n
        else:
            n = {1: 8, 5: 4}[kind]
            v, at = p[at:at + n], at + n
        out[tag >> 3] = v
    return out


class Record:
    def __init__(self, body, mac, signature, erased):
        self.header, self.payload, self.mac, self.signature = body[:176], body[176:], mac, signature
        h = self.header
        self.chain, self.boot_id, self.key_id, self.prev = h[24:40], h[80:96], h[104:112], h[112:144]
        self.epoch, self.alg = struct.unpack('>IB', h[40:45])
        self.seq, self.id, self.wall, self.boot = struct.unpack('>QQQQ', h[48:80])
        self.schema, self.length = struct.unpack('>II', h[96:104])
        self.leaf = sha(b'\0', h)
        self.erased = erased
        need(h[:24] == b'probity/record/v1'.ljust(24, b'\0') and h[45:48] == b'\0\0\0' and
             self.alg in (1, 3), 'record', self.seq)
        if erased:
            need(not self.payload and self.length, 'record', 'not erased')
        else:
            need(len(self.payload) == self.length and sha(self.payload) == h[144:176], 'record', self.seq)
        self.control = fields(self.payload) if self.schema == 2 and not erased else {}
        self.kind = self.control.get(1, 0)

    def of(self, number):
        return self.control.get(number, b'' if number in (10, 63, 64, 68) else 0)

    def step(self):
        return self.kind == CLOCK_STEP or self.kind == START and self.of(67)


def frames(data):
    at = 0
    while at < len(data):
        need(len(data) - at >= 12, 'torn tail', at)
        magic, n, crc = struct.unpack('>4sII', data[at:at + 12])
        need(magic in (b'PBR1', b'PBE1') and 208 <= n <= 65631, 'frame', at)
        body = data[at + 12:at + 12 + n]
        need(len(body) == n, 'torn tail', at)
        need(crc32c(body) == crc, 'crc', at)
        own = 64 if body[44] == 1 else 0
        need(n - 32 - own >= 176, 'frame', at)
        yield Record(body[:n - 32 - own], body[n - 32 - own:n - own], body[n - own:], magic == b'PBE1')
        at += 12 + n


class Tree:
    """The roots of full subtrees, largest first: (leaves, hash)."""

    def __init__(self):
        self.parts, self.leaves = [], []

    def add(self, leaf):
        self.leaves.append(leaf)
        self.parts.append((1, leaf))
        while len(self.parts) > 1 and self.parts[-2][0] == self.parts[-1][0]:
            (n, a), (_, b) = self.parts[-2:]
            self.parts[-2:] = [(2 * n, sha(b'\1', a, b))]

    def root(self):
        if not self.parts:
            return sha()
        h = self.parts[-1][1]
        for _, left in reversed(self.parts[:-1]):
            h = sha(b'\1', left, h)
        return h


def root_of(hashes):
    t = Tree()
    for h in hashes:
        t.add(h)
    return t.root()


def tile_files(folder):
    """{(level, index): {width: bytes}} of all that is named as a tile."""
    out = {}
    for top, _, names in os.walk(os.path.join(folder, 'tile')):
        for name in names:
            path = os.path.relpath(os.path.join(top, name), folder)
            m = re.fullmatch(r'tile/(\d+)/((?:x\d{3}/)*\d{3})(?:\.p/(\d+))?', path)
            if m:
                index = int(m[2].replace('x', '').replace('/', ''))
                with open(os.path.join(folder, path), 'rb') as f:
                    out.setdefault((int(m[1]), index), {})[int(m[3] or 256)] = f.read()
    return out


def key_id(name, kind, public):
    return sha(name.encode(), bytes([10, kind]), public)[:4]


def witness_key(vkey):
    """Name, key id and public key of "<name>+<key id>+<base64 of type and public key>"."""
    name, of, blob = vkey.strip().split('+', 2)
    blob = base64.b64decode(blob)
    if len(blob) != 33 or blob[0] != 4 or key_id(name, 4, blob[1:]).hex() != of:
        raise ValueError(f'{vkey}: no key of a witness')
    return name, blob[1:]


class Chain:
    def __init__(self, folder, anchor, seed, witnesses=(), known=()):
        self.folder, self.anchor, self.seed = folder, anchor, seed
        self.witnesses, self.known, self.erasures = witnesses, known, 0
        self.tpm, self.tpm_at, self.walls = None, 0, []
        self.keys = {0: anchor} if anchor else {}   # of epochs
        self.last, self.last_id, self.tree = None, 0, Tree()
        self.covered, self.erased, self.roots, self.seal_at = 0, set(), {}, {}
        self.epoch_ns = self.epoch_first = self.epoch_boot = 0

    def read(self, name):
        try:
            with open(os.path.join(self.folder, name), 'rb') as f:
                return f.read()
        except FileNotFoundError:
            return None

    def mac(self, r):
        if self.seed:
            k = self.seed
            for _ in range(r.epoch):
                k = hmac.new(k, b'probity/ratchet/v1', 'sha256').digest()
            need(hmac.new(k, r.leaf, 'sha256').digest() == r.mac, 'mac', r.seq)

    def key(self, r):
        if r.epoch == 0 and 0 not in self.keys and r.kind == START:
            self.keys[0] = r.of(10)
        public = self.keys.get(r.epoch)
        need(public and sha(public)[:8] == r.key_id, 'key id', r.seq)
        if r.alg == 1:
            signed(public, r.header, r.signature, 'signature')
        self.mac(r)

    def head(self):
        h = self.read('head')
        need(h is not None and len(h) == 192 and h[:24] == b'probity/head/v1'.ljust(24, b'\0'), 'head')
        self.head_seq, self.head_first = struct.unpack('>QQ', h[40:56])
        self.head_leaf, self.head_key = h[64:96], h[96:128]
        signed(self.head_key, h[:128], h[128:], 'head')

    def seals(self):
        self.in_file = {}
        for epoch, s in enumerate(frames(self.read('seals') or b'')):
            need(s.kind == SEAL and s.epoch == epoch, 'seal', s.seq)
            if epoch in self.keys:
                self.key(s)
            self.keys[epoch + 1] = s.of(64)
            self.names_tpm(s)
            self.in_file[s.seq] = s

    def notes(self):
        self.checkpoints = []
        for name in ('checkpoint', 'witnessed', *map(os.path.abspath, self.known)):
            note = self.read(name)
            if note is None:
                continue
            m = re.fullmatch('((\\S+/([0-9a-f]{32}))\n(0|[1-9]\\d*)\n(\\S{44})\n(?:.+\n)*)\n((?:— \\S+ \\S+\n)+)',
                             note.decode('utf-8', 'replace'))
            need(m, 'checkpoint', name)
            lines = [line.split(' ') for line in m[6].splitlines()]
            need(all(base64.b64encode(base64.b64decode(x)).decode() == x for x in [m[5]] + [l[2] for l in lines]),
                 'checkpoint', name)
            self.checkpoints.append((name, m[1].encode(), m[2], m[3], int(m[4]), base64.b64decode(m[5]),
                                     [(l[1], base64.b64decode(l[2])) for l in lines]))

    def begin(self, first):
        """Segments before `first` are gone: their leaves are in the tiles, their SEALs in the file."""
        tiles = tile_files(self.folder)
        for seq in range(first):
            if seq in self.in_file:
                need(self.tree.root() == self.in_file[seq].of(63), 'tile', seq)
                self.epoch_first = seq + 1
            widths = tiles.get((0, seq // 256), {})
            have = widths.get(max(widths, default=0), b'')[seq % 256 * 32:seq % 256 * 32 + 32]
            need(len(have) == 32, 'tile', f'no leaf {seq}')
            self.tree.add(have)
            self.roots[seq + 1] = self.tree.root()

    def time(self, r):
        p = self.last
        if r.boot_id != p.boot_id:
            need(r.kind == START, 'boot', r.seq)
            need(r.wall >= p.wall or r.of(67), 'time', r.seq)
            return
        need(r.boot >= p.boot, 'time', r.seq)
        need(abs((r.wall - r.boot) - (p.wall - p.boot)) <= SECOND or r.step(), 'time', r.seq)
        if self.epoch_ns and p.kind != SEAL and r.boot > self.epoch_boot + self.epoch_ns + 120 * SECOND:
            need(r.kind in (CLOCK_STEP, START, REPAIR, LOSS) or r.kind == SEAL and r.of(65), 'seal overdue', r.seq)

    def seal(self, r):
        need(r.alg == 1 and r.of(60) == r.epoch and r.of(61) == self.epoch_first, 'seal', r.seq)
        need(r.of(62) == r.seq and r.of(63) == self.tree.root(), 'tree', r.seq)
        if r.seq <= self.head_seq:
            need(r.seq in self.in_file, 'seal', f'{r.seq} is not in the file')
        need(r.seq not in self.in_file or self.in_file[r.seq].leaf == r.leaf, 'fork', r.seq)
        self.keys[r.epoch + 1] = r.of(64)

    def names_tpm(self, r):
        if r.kind in (TPM, SEAL) and r.of(68):
            self.tpm_at = min(r.seq, self.tpm_at if self.tpm else r.seq)
            self.tpm = self.tpm or r.of(68)
            need(r.of(68) == self.tpm, 'tpm', f'{r.seq} names another key')

    def by_tpm(self, seq):
        """The newest checkpoint has the TPM's line, each such line holds, and not much came after."""
        if self.tpm is None:
            return
        newest, good = 0, 0
        for _, text, key_name, _, size, _, lines in self.checkpoints:
            newest = max(newest, size)
            for by, blob in lines:
                if by == key_name and blob[:4] == sha(self.tpm)[:4]:
                    try:
                        load_der_public_key(self.tpm).verify(blob[4:], text, ec.ECDSA(SHA256()))
                    except InvalidSignature:
                        raise Finding(f'tpm: the line under {size} does not hold') from None
                    good = max(good, size)
        need(newest <= self.tpm_at or good == newest, 'tpm', f'no line under {newest}')
        behind = self.walls[max(good, self.tpm_at) - seq:] if max(good, self.tpm_at) < seq else []
        need(not behind or behind[-1] - behind[0] <= 60 * SECOND, 'tpm', 'too much behind the newest line')

    def record(self, r, seq):
        p = self.last
        need(r.seq == seq, 'sequence', seq)
        if p:
            need(r.chain == p.chain, 'chain id', seq)
            need(r.prev == p.leaf, 'previous hash', seq)
            need(r.epoch == p.epoch + (p.kind == SEAL), 'epoch', seq)
            need(not r.id or r.id > self.last_id, 'id order', seq)
        elif not seq:
            need(r.epoch == 0 and r.prev == bytes(32), 'previous hash', seq)
        else:
            need(r.prev == self.tree.leaves[-1], 'previous hash', seq)
        if not p or p.kind == SEAL:
            self.epoch_first = seq if p else self.epoch_first
        if not p or p.kind == SEAL or p.boot_id != r.boot_id:
            self.epoch_boot = r.boot
        self.key(r)
        if r.kind == SEAL:
            self.seal(r)
        if p:
            self.time(r)
        need(seq != self.head_seq or r.leaf == self.head_leaf, 'head', seq)
        self.epoch_ns = r.of(66) or self.epoch_ns
        self.last_id = r.id or self.last_id
        self.names_tpm(r)
        self.walls.append(r.wall)
        self.tree.add(r.leaf)
        self.roots[seq + 1] = self.tree.root()
        self.seal_at[seq] = r.epoch
        if r.alg == 1:
            self.covered = seq + 1
        if r.erased:
            self.erased.add(seq)
            self.erasures += 1
        if r.kind == ERASE:
            self.erased -= set(range(r.of(33), r.of(34) + 1))
        self.last = r

    def tiles(self, must):
        n, level, hashes = len(self.tree.leaves), 0, self.tree.leaves
        files = tile_files(self.folder)
        while hashes:
            full = [hashes[i:i + 256] for i in range(0, len(hashes), 256)]
            for index, part in enumerate(full):
                widths = files.pop((level, index), {})
                for width, data in widths.items():
                    need(width <= len(part) and data == b''.join(part[:width]), 'tile', (level, index))
                wanted = min(256, (must >> 8 * level) - 256 * index)
                need(max(widths, default=0) >= wanted, 'tile', f'missing {level} {index}')
            hashes, level = [root_of(p) for p in full if len(p) == 256], level + 1
        need(not files, 'tile', f'of more than {n} records')

    def by_chain(self, name, key_name, text, size, lines):
        first = self.seal_at.get(size - 1, 0)
        for by, blob in lines:
            for epoch, public in self.keys.items():
                if epoch >= first and by == key_name and len(blob) == 68 and \
                        key_id(by, 1, public) == blob[:4]:
                    signed(public, text, blob[4:], 'checkpoint')
                    return
        raise Finding(f'checkpoint: {name} is not signed by a key of the chain')

    def by_witnesses(self):
        """The size each given witness has cosigned; all its lines hold."""
        for witness, public in self.witnesses:
            sizes = [0]
            for _, text, _, _, size, _, lines in self.checkpoints:
                for by, blob in lines:
                    if by == witness and blob[:4] == key_id(by, 4, public):
                        need(len(blob) == 76, 'cosignature', by)
                        when = int.from_bytes(blob[4:12], 'big')
                        signed(public, b'cosignature/v1\ntime %d\n' % when + text, blob[12:], 'cosignature')
                        sizes.append(size)
            need(max(sizes), 'cosignature', f'none by {witness}')
            yield max(sizes)

    def run(self):
        self.head()
        self.seals()
        self.notes()
        names = sorted(n for n in os.listdir(self.folder) if re.fullmatch(r'\d{20}\.seg', n))
        need(names and int(names[0][:20]) <= self.head_first, 'missing segment')
        seq = int(names[0][:20])
        self.begin(seq)
        for name in names:
            need(int(name[:20]) == seq, 'missing segment', seq)
            for r in frames(self.read(name)):
                self.record(r, seq)
                seq += 1
        need(seq > self.head_seq and all(s < seq for s in self.in_file), 'tail cut', seq)
        need(self.head_key in self.keys.values(), 'key id', 'head')
        need(not self.in_file or sha(self.keys[0])[:8] == next(iter(self.in_file.values())).key_id, 'key id', 'seals')
        self.covered = max(self.covered, self.head_seq + 1)
        for name, text, key_name, chain, size, root, lines in self.checkpoints:
            need(chain == self.last.chain.hex(), 'checkpoint', name)
            need(size <= seq, 'uncovered', name)
            need(root == self.roots.get(size, sha()), 'fork', name)
            self.by_chain(name, key_name, text, size, lines)
            self.covered = max(self.covered, size)
        cosigned = list(self.by_witnesses())
        self.by_tpm(seq)
        self.tiles(max([c[4] for c in self.checkpoints] + [int(names[0][:20])]))
        need(self.covered >= seq, 'uncovered', self.covered)
        need(not self.erased, 'erased', self.erased)
        return f'ok {seq} records, {self.last.epoch + 1} epochs, {self.erasures} erased, ' \
               f'cosigned {cosigned}, root {self.tree.root().hex()}'


def main():
    p = argparse.ArgumentParser()
    p.add_argument('folder')
    p.add_argument('anchor', nargs='?', type=argparse.FileType())
    p.add_argument('seed', nargs='?', type=bytes.fromhex)
    p.add_argument('--witness', action='append', default=[], type=witness_key)
    p.add_argument('--checkpoint', action='append', default=[])
    a = p.parse_args()
    anchor = bytes.fromhex(a.anchor.read().strip()) if a.anchor else None
    try:
        print(Chain(a.folder, anchor, a.seed, a.witness, a.checkpoint).run())
    except Finding as e:
        print(e)
        sys.exit(1)
    except (IndexError, KeyError, ValueError, struct.error) as e:
        print(f'record: {type(e).__name__} {e}')
        sys.exit(1)


if __name__ == '__main__':
    main()
