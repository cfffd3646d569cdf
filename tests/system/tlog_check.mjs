// SPDX-License-Identifier: Apache-2.0
// Checkpoints and inclusion proofs as `logtool make` made them, checked with @sigstore/verify, which reads
// those of Sigstore's public logs. It has no consistency proofs, tiles or cosignatures. The two functions are
// not in what the package names as its interface, so they are loaded by their place in it.
//   node tlog_check.mjs FILE     NODE_PATH names the packages
import {createHash, createPublicKey} from 'node:crypto'
import {readFileSync} from 'node:fs'
import {createRequire} from 'node:module'
import {join} from 'node:path'

const load = createRequire(import.meta.url)
const tlog = join(process.env.NODE_PATH, '@sigstore', 'verify', 'dist', 'tlog')
const {verifyCheckpoint} = load(join(tlog, 'checkpoint.js'))
const {verifyMerkleInclusion} = load(join(tlog, 'merkle.js'))
const file = JSON.parse(readFileSync(process.argv[2], 'utf8'))

// A vkey as the trusted log of a Sigstore root.
const plus = file.vkey.indexOf('+')
const raw = Buffer.from(file.vkey.slice(plus + 10), 'base64')
const name = file.vkey.slice(0, plus)
const log = {
  logID: createHash('sha256').update(name + '\n').update(raw).digest(),
  baseURL: 'https://' + name,
  publicKey: createPublicKey({
    key: Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw.subarray(1)]), format: 'der', type: 'spki',
  }),
}
const refused = f => {
  try {
    f()
  } catch (e) {
    if (e.code === 'TLOG_INCLUSION_PROOF_ERROR') return true
    throw e
  }
  return false
}
const count = {notes: 0, inclusion: 0, refused: 0}
const must = (holds, what) => {
  if (!holds) throw new Error(what)
}
for (const l of file.logs) {
  const envelope = l.notes[0].text
  const entry = (i, hashes = []) => ({
    canonicalizedBody: Buffer.from('entry ' + i),
    inclusionProof: {checkpoint: {envelope}, logIndex: String(i), hashes: hashes.map(h => Buffer.from(h, 'base64'))},
  })
  const checkpoint = verifyCheckpoint(entry(0), [log])
  must(checkpoint.origin === name && checkpoint.logSize === BigInt(l.size) &&
    checkpoint.logHash.toString('base64') === l.root, `checkpoint of ${l.size}`)
  count.notes++
  const changed = entry(0)
  changed.inclusionProof.checkpoint = {envelope: envelope.replace('\n' + l.size, '\n' + (l.size + 1))}
  must(refused(() => verifyCheckpoint(changed, [log])), 'a changed checkpoint is taken')
  for (const p of l.inclusion) {
    verifyMerkleInclusion(entry(p.index, p.path), checkpoint)
    count.inclusion++
    must(refused(() => verifyMerkleInclusion({...entry(p.index, p.path), canonicalizedBody: Buffer.from('x')},
      checkpoint)), 'another entry is taken')
    must(refused(() => verifyMerkleInclusion(entry(p.index, [...p.path, l.root]), checkpoint)), 'a longer path is taken')
    count.refused += 2
  }
}
console.log(JSON.stringify(count))
