// SPDX-License-Identifier: Apache-2.0

// The log formats of Probity read, and written, with golang.org/x/mod/sumdb: the library of Go's own
// checksum database, which the C2SP formats come from. Used by tests/system/test_interop.
//
//	interop check DIR        what `logtool make DIR` made: every note, proof and tile
//	interop make FILE        the same from here, for `logtool check`, with parts that must be refused
//	interop cert FILE PUB [VKEY]
//	                         a certificate, with the chain's first public key in hex, and nothing of ours;
//	                         with VKEY that witness must have cosigned its checkpoint
//	interop proof FILE VKEY  a tlog-proof that carries its entry, under a checkpoint key
//
// The library has no cosignatures: those are checked with crypto/ed25519, as the specification says. Its
// checkpoints have another first line, so the text of a note is split here.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type part struct {
	Text    string   `json:"text,omitempty"`
	Index   int64    `json:"index"`
	Old     int64    `json:"old"`
	OldRoot string   `json:"old_root,omitempty"`
	Path    []string `json:"path"`
	Good    bool     `json:"good"`
	Why     string   `json:"why,omitempty"`
}

type aLog struct {
	Size        int64  `json:"size"`
	Root        string `json:"root"`
	Notes       []part `json:"notes"`
	Inclusion   []part `json:"inclusion"`
	Consistency []part `json:"consistency"`
	Proofs      []part `json:"proofs"`
	Requests    []part `json:"requests"`
}

type file struct {
	Vkey        string `json:"vkey"`
	WitnessVkey string `json:"witness_vkey"`
	Logs        []aLog `json:"logs"`
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		os.Exit(1)
	}
}

func entry(i int64) []byte { return []byte("entry " + strconv.FormatInt(i, 10)) }

func hash(text string) (h tlog.Hash, err error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil && len(b) != len(h) {
		err = errors.New("not a hash: " + text)
	}
	copy(h[:], b)
	return h, err
}

func hashes(texts []string) (out []tlog.Hash, err error) {
	for _, t := range texts {
		h, err := hash(t)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}

func texts(hashes []tlog.Hash) []string {
	out := []string{}
	for _, h := range hashes {
		out = append(out, base64.StdEncoding.EncodeToString(h[:]))
	}
	return out
}

// --- cosignatures ----------------------------------------------------------------------------------

// A key of type 4: C2SP tlog-cosignature.
type witness struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.id }

func cosigned(msg []byte, unix uint64) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", unix)), msg...)
}

func (w *witness) Verify(msg, sig []byte) bool {
	return len(sig) == 72 && ed25519.Verify(w.key, cosigned(msg, binary.BigEndian.Uint64(sig)), sig[8:])
}

func witnessID(name string, key ed25519.PublicKey) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n\x04"), key...))
	return binary.BigEndian.Uint32(sum[:])
}

func newWitness(vkey string) (*witness, error) {
	p := strings.SplitN(vkey, "+", 3)
	if len(p) != 3 {
		return nil, errors.New("no vkey: " + vkey)
	}
	raw, err := base64.StdEncoding.DecodeString(p[2])
	if err != nil || len(raw) != 33 || raw[0] != 4 {
		return nil, errors.New("no vkey of a witness: " + vkey)
	}
	w := &witness{p[0], witnessID(p[0], raw[1:]), raw[1:]}
	if fmt.Sprintf("%08x", w.id) != p[1] {
		return nil, errors.New("another key id: " + vkey)
	}
	return w, nil
}

// A signer of notes that adds a cosignature.
type cosigner struct {
	*witness
	private ed25519.PrivateKey
	unix    uint64
}

func (c *cosigner) Sign(msg []byte) ([]byte, error) {
	sig := binary.BigEndian.AppendUint64(nil, c.unix)
	return append(sig, ed25519.Sign(c.private, cosigned(msg, c.unix))...), nil
}

// --- reading ---------------------------------------------------------------------------------------

type checkpoint struct {
	origin string
	tree   tlog.Tree
	sigs   map[string]bool
}

func open(text string, known ...note.Verifier) (*checkpoint, error) {
	n, err := note.Open([]byte(text), note.VerifierList(known...))
	if err != nil {
		return nil, err
	}
	lines := strings.SplitN(n.Text, "\n", 4)
	if len(lines) != 4 || lines[3] != "" {
		return nil, fmt.Errorf("a checkpoint of %d lines", len(lines)-1)
	}
	c := &checkpoint{origin: lines[0], sigs: map[string]bool{}}
	if c.tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return nil, err
	}
	if c.tree.Hash, err = hash(lines[2]); err != nil {
		return nil, err
	}
	for _, s := range n.Sigs {
		c.sigs[s.Name] = true
	}
	return c, nil
}

// Text up to an empty line, as lines, and what is behind it.
func upToEmpty(text string) ([]string, string, error) {
	i := strings.Index(text, "\n\n")
	if i < 0 {
		return nil, "", errors.New("no empty line")
	}
	return strings.Split(text[:i], "\n"), text[i+2:], nil
}

type proof struct {
	extra []byte
	index int64
	path  []tlog.Hash
	note  string
}

func parseProof(text string) (p proof, err error) {
	lines, rest, err := upToEmpty(text)
	if err != nil || lines[0] != "c2sp.org/tlog-proof@v1" {
		return p, fmt.Errorf("no tlog-proof: %v", err)
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if p.extra, err = base64.StdEncoding.DecodeString(lines[0][6:]); err != nil {
			return p, err
		}
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return p, errors.New("no index")
	}
	if p.index, err = strconv.ParseInt(lines[0][6:], 10, 64); err != nil {
		return p, err
	}
	p.note = rest
	p.path, err = hashes(lines[1:])
	return p, err
}

// Tiles as C2SP names them: the library's own names have the height in front.
type tileDir struct {
	dir   string
	saved int
}

func (t *tileDir) Height() int { return 8 }
func (t *tileDir) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, i := range tiles {
		b, err := os.ReadFile(filepath.Join(t.dir, "tile"+strings.TrimPrefix(i.Path(), "tile/8")))
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}
func (t *tileDir) SaveTiles(tiles []tlog.Tile, data [][]byte) { t.saved += len(tiles) }

// --- check -----------------------------------------------------------------------------------------

func checkLog(dir string, l aLog, v note.Verifier, w *witness, count map[string]int) error {
	root, err := hash(l.Root)
	if err != nil {
		return err
	}
	for _, n := range l.Notes {
		c, err := open(n.Text, v, w)
		if err != nil {
			return err
		}
		if c.origin != v.Name() || !c.sigs[v.Name()] || !c.sigs[w.name] || c.tree.N != l.Size || c.tree.Hash != root {
			return fmt.Errorf("another checkpoint than said: %v", c)
		}
		if _, err := open(strings.Replace(n.Text, "\n", "x\n", 1), v, w); err == nil {
			return errors.New("a changed note is taken")
		}
		count["notes"]++
	}
	for _, i := range l.Inclusion {
		path, err := hashes(i.Path)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(path, l.Size, root, i.Index, tlog.RecordHash(entry(i.Index))); err != nil {
			return fmt.Errorf("inclusion of %d: %v", i.Index, err)
		}
		if tlog.CheckRecord(path, l.Size, root, i.Index, tlog.RecordHash(entry(i.Index+1))) == nil {
			return errors.New("another entry is taken")
		}
		count["inclusion"]++
	}
	for _, i := range l.Consistency {
		path, err := hashes(i.Path)
		if err != nil {
			return err
		}
		old, err := hash(i.OldRoot)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(path, l.Size, root, i.Old, old); err != nil {
			return fmt.Errorf("consistency with %d: %v", i.Old, err)
		}
		old[0] ^= 1
		if tlog.CheckTree(path, l.Size, root, i.Old, old) == nil {
			return errors.New("another old root is taken")
		}
		count["consistency"]++
	}
	for _, i := range l.Proofs {
		p, err := parseProof(i.Text)
		if err != nil {
			return err
		}
		c, err := open(p.note, v, w)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(p.path, c.tree.N, c.tree.Hash, p.index, tlog.RecordHash(entry(p.index))); err != nil {
			return fmt.Errorf("proof of %d: %v", p.index, err)
		}
		count["proofs"]++
	}
	for k, i := range l.Requests {
		lines, rest, err := upToEmpty(i.Text)
		if err != nil || !strings.HasPrefix(lines[0], "old ") {
			return fmt.Errorf("no request: %v", err)
		}
		old, err := strconv.ParseInt(lines[0][4:], 10, 64)
		if err != nil || old != l.Consistency[k].Old {
			return fmt.Errorf("old %d: %v", old, err)
		}
		if _, err := open(rest, v, w); err != nil {
			return err
		}
		if strings.Join(lines[1:], "\n") != strings.Join(l.Consistency[k].Path, "\n") {
			return errors.New("another consistency proof in the request")
		}
		count["requests"]++
	}
	return checkTiles(dir, l, root, count)
}

// The library checks every tile it reads against the root, and makes proofs of its own from them.
func checkTiles(dir string, l aLog, root tlog.Hash, count map[string]int) error {
	t := &tileDir{dir: filepath.Join(dir, strconv.FormatInt(l.Size, 10))}
	r := tlog.TileHashReader(tlog.Tree{N: l.Size, Hash: root}, t)
	for _, i := range l.Inclusion {
		own, err := tlog.ProveRecord(l.Size, i.Index, r)
		if err != nil {
			return fmt.Errorf("tiles of %d: %v", l.Size, err)
		}
		if strings.Join(texts(own), " ") != strings.Join(i.Path, " ") {
			return fmt.Errorf("another proof of %d from the tiles", i.Index)
		}
	}
	for _, i := range l.Consistency {
		own, err := tlog.ProveTree(l.Size, i.Old, r)
		if err != nil {
			return fmt.Errorf("tiles of %d: %v", l.Size, err)
		}
		if strings.Join(texts(own), " ") != strings.Join(i.Path, " ") {
			return fmt.Errorf("another proof from %d from the tiles", i.Old)
		}
	}
	// Each leaf of each tile, and what is above it. They are compared here as well: the library of Debian 12
	// checks a tile against its parent only in trees with few subtrees.
	for first := int64(0); first < l.Size; first += 256 {
		var at []int64
		for i := first; i < first+256 && i < l.Size; i++ {
			at = append(at, tlog.StoredHashIndex(0, i))
		}
		if first+256 <= l.Size {
			at = append(at, tlog.StoredHashIndex(8, first/256))
		}
		h, err := r.ReadHashes(at)
		if err != nil {
			return fmt.Errorf("tile of leaf %d: %v", first, err)
		}
		level := []tlog.Hash{}
		for i := first; i < first+256 && i < l.Size; i++ {
			level = append(level, tlog.RecordHash(entry(i)))
			if h[i-first] != level[i-first] {
				return fmt.Errorf("another leaf %d", i)
			}
		}
		if len(h) != 257 { // the last tile is not full
			continue
		}
		for ; len(level) > 1; level = level[:len(level)/2] {
			for i := range level[:len(level)/2] {
				level[i] = tlog.NodeHash(level[2*i], level[2*i+1])
			}
		}
		if h[256] != level[0] {
			return fmt.Errorf("another hash above leaf %d", first)
		}
	}
	count["tiles"] += t.saved
	return nil
}

func check(dir string) {
	var f file
	b, err := os.ReadFile(filepath.Join(dir, "made.json"))
	fail(err)
	fail(json.Unmarshal(b, &f))
	v, err := note.NewVerifier(f.Vkey)
	fail(err)
	w, err := newWitness(f.WitnessVkey)
	fail(err)
	count := map[string]int{}
	for _, l := range f.Logs {
		if err := checkLog(dir, l, v, w, count); err != nil {
			fail(fmt.Errorf("size %d: %v", l.Size, err))
		}
	}
	out, _ := json.Marshal(count)
	fmt.Println(string(out))
}

// --- make ------------------------------------------------------------------------------------------

// A change to a text and to a path that makes them worth nothing.
func other(b64 string) string {
	c := byte('A')
	if b64[0] == c {
		c = 'B'
	}
	return string(c) + b64[1:]
}

func worse(p part) (out []part) {
	add := func(why string, change func(q *part)) {
		q := p
		q.Path = append([]string{}, p.Path...)
		q.Good, q.Why = false, why
		change(&q)
		out = append(out, q)
	}
	add("a hash more", func(q *part) { q.Path = append(q.Path, q.OldRoot+strings.Repeat("A", 43)+"=") })
	for i := range p.Path {
		i := i
		add("another hash", func(q *part) { q.Path[i] = other(q.Path[i]) })
		add("a hash less", func(q *part) { q.Path = append(q.Path[:i], q.Path[i+1:]...) })
	}
	return out
}

func makeLog(size int64, signer note.Signer, w note.Signer) aLog {
	var stored []tlog.Hash
	r := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range at {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for i := int64(0); i < size; i++ {
		more, err := tlog.StoredHashes(i, entry(i), r)
		fail(err)
		stored = append(stored, more...)
	}
	root, err := tlog.TreeHash(size, r)
	fail(err)
	l := aLog{Size: size, Root: base64.StdEncoding.EncodeToString(root[:])}
	text := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), size, l.Root)
	b, err := note.Sign(&note.Note{Text: text}, signer, w)
	fail(err)
	alone, err := note.Sign(&note.Note{Text: text}, signer)
	fail(err)
	only, err := note.Sign(&note.Note{Text: text}, w)
	fail(err)
	n := string(b)
	sigs := n[strings.Index(n, "\n\n")+2:]
	l.Notes = []part{
		{Text: n, Good: true},
		{Text: string(alone), Why: "no witness"},
		{Text: string(only), Why: "no log"},
		{Text: strings.Replace(n, "\n"+strconv.FormatInt(size, 10)+"\n", "\n"+strconv.FormatInt(size+1, 10)+"\n", 1), Why: "another size"},
		{Text: strings.Replace(n, signer.Name()+"\n", signer.Name()+"2\n", 1), Why: "another origin"},
		{Text: text + "\n" + strings.Replace(sigs, "\n", "\n\n", 1), Why: "an empty line between"},
		{Text: n[:len(n)-1], Why: "no end"},
		{Text: n + "x", Why: "something behind"},
	}
	step := size/9 + 1
	for i := int64(0); i < size; i += step {
		path, err := tlog.ProveRecord(size, i, r)
		fail(err)
		p := part{Index: i, Path: texts(path), Good: true}
		l.Inclusion = append(append(l.Inclusion, p), worse(p)...)
		lines := append([]string{"c2sp.org/tlog-proof@v1", "index " + strconv.FormatInt(i, 10)}, p.Path...)
		whole := strings.Join(lines, "\n") + "\n\n" + n
		l.Proofs = append(l.Proofs, part{Text: whole, Good: true},
			part{Text: strings.Replace(whole, "proof@v1", "proof@v2", 1), Why: "another version"},
			part{Text: strings.Replace(whole, "\nindex ", "\nindex 1", 1), Why: "another index"})

		old := i + 1
		tree, err := tlog.ProveTree(size, old, r)
		fail(err)
		was, err := tlog.TreeHash(old, r)
		fail(err)
		q := part{Old: old, OldRoot: base64.StdEncoding.EncodeToString(was[:]), Path: texts(tree), Good: true}
		bad := q
		bad.OldRoot, bad.Good, bad.Why = other(q.OldRoot), false, "another old root"
		l.Consistency = append(append(l.Consistency, q, bad), worse(q)...)
		lines = append([]string{"old " + strconv.FormatInt(old, 10)}, q.Path...)
		whole = strings.Join(lines, "\n") + "\n\n" + n
		l.Requests = append(l.Requests, part{Text: whole, OldRoot: q.OldRoot, Good: true},
			part{Text: whole, OldRoot: bad.OldRoot, Why: "another old root"},
			part{Text: "old" + whole, OldRoot: q.OldRoot, Why: "no request"})
	}
	return l
}

func makeFile(name string) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "go.example/log")
	fail(err)
	signer, err := note.NewSigner(skey)
	fail(err)
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	fail(err)
	w := &cosigner{&witness{"go.example/witness", witnessID("go.example/witness", pub), pub}, private, 1795248000}
	f := file{Vkey: vkey, WitnessVkey: fmt.Sprintf("%s+%08x+%s", w.name, w.id,
		base64.StdEncoding.EncodeToString(append([]byte{4}, pub...)))}
	for _, size := range []int64{1, 2, 3, 4, 5, 7, 8, 9, 31, 100, 255, 256, 257, 513, 1000} {
		f.Logs = append(f.Logs, makeLog(size, signer, w))
	}
	b, err := json.Marshal(f)
	fail(err)
	fail(os.WriteFile(name, b, 0o644))
}

// --- certificates ----------------------------------------------------------------------------------

const headerLen = 176

type sealed struct {
	Record    []byte `json:"record"`
	Signature []byte `json:"signature"`
}

// Field `number` of a protobuf message, of wire type 2.
func field(b []byte, number uint64) []byte {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return nil
		}
		b = b[n:]
		value, n := binary.Uvarint(b)
		switch {
		case tag&7 == 0 && n > 0:
			b = b[n:]
		case tag&7 == 2 && n > 0 && value <= uint64(len(b)-n):
			if tag>>3 == number {
				return b[n : n+int(value)]
			}
			b = b[n+int(value):]
		case tag&7 == 1 && len(b) >= 8:
			b = b[8:]
		case tag&7 == 5 && len(b) >= 4:
			b = b[4:]
		default:
			return nil
		}
	}
	return nil
}

func whole(s sealed) error {
	if len(s.Record) < headerLen {
		return errors.New("a record that is too short")
	}
	sum := sha256.Sum256(s.Record[headerLen:])
	if !bytes.Equal(sum[:], s.Record[144:176]) {
		return errors.New("another payload")
	}
	return nil
}

// With the chain's first key: the SEALs, the record, the checkpoint, the proofs.
func cert(name string, first ed25519.PublicKey, cosigner string) error {
	var c struct {
		sealed
		Seals    []sealed `json:"seals"`
		SealPath []string `json:"seal_path"`
		Proof    string   `json:"proof"`
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	if err := whole(c.sealed); err != nil {
		return err
	}
	epoch := int(binary.BigEndian.Uint32(c.Record[40:]))
	seq := int64(binary.BigEndian.Uint64(c.Record[48:]))
	leaf := tlog.RecordHash(c.Record[:headerLen])
	keys := []ed25519.PublicKey{first}
	for i, s := range c.Seals {
		if err := whole(s); err != nil {
			return err
		}
		if !ed25519.Verify(keys[i], s.Record[:headerLen], s.Signature) {
			return fmt.Errorf("SEAL %d is not signed with the key before", i)
		}
		next := field(s.Record[headerLen:], 64)
		if len(next) != ed25519.PublicKeySize {
			return fmt.Errorf("SEAL %d names no key", i)
		}
		keys = append(keys, next)
	}
	if epoch >= len(keys) || !ed25519.Verify(keys[epoch], c.Record[:headerLen], c.Signature) {
		return errors.New("the record is not signed with the key of its epoch")
	}
	if epoch < len(c.Seals) {
		var root tlog.Hash
		s := c.Seals[epoch].Record
		copy(root[:], field(s[headerLen:], 63))
		path, err := hashes(c.SealPath)
		if err != nil {
			return err
		}
		if err := tlog.CheckRecord(path, int64(binary.BigEndian.Uint64(s[48:])), root, seq, leaf); err != nil {
			return fmt.Errorf("seal_path: %v", err)
		}
	}
	p, err := parseProof(c.Proof)
	if err != nil {
		return err
	}
	origin := p.note[:strings.Index(p.note, "\n")]
	if !strings.HasSuffix(origin, "/"+hex.EncodeToString(c.Record[24:40])) {
		return errors.New("a checkpoint of another chain: " + origin)
	}
	vkey, err := note.NewEd25519VerifierKey(origin, keys[len(keys)-1])
	if err != nil {
		return err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	known := []note.Verifier{v}
	if cosigner != "" {
		w, err := newWitness(cosigner)
		if err != nil {
			return err
		}
		known = append(known, w)
	}
	cp, err := open(p.note, known...)
	if err != nil {
		return err
	}
	for _, k := range known {
		if !cp.sigs[k.Name()] {
			return errors.New("the checkpoint is not signed by " + k.Name())
		}
	}
	if p.index != seq {
		return errors.New("the proof of another record")
	}
	if err := tlog.CheckRecord(p.path, cp.tree.N, cp.tree.Hash, seq, leaf); err != nil {
		return err
	}
	fmt.Printf("seq %d epoch %d seals %d size %d vkey %s\n", seq, epoch, len(c.Seals), cp.tree.N, vkey)
	return nil
}

func proofFile(name, vkey string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	p, err := parseProof(string(b))
	if err != nil {
		return err
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	c, err := open(p.note, v)
	if err != nil {
		return err
	}
	if len(p.extra) != headerLen || int64(binary.BigEndian.Uint64(p.extra[48:])) != p.index {
		return errors.New("no entry of that number")
	}
	if err := tlog.CheckRecord(p.path, c.tree.N, c.tree.Hash, p.index, tlog.RecordHash(p.extra)); err != nil {
		return err
	}
	fmt.Printf("index %d size %d\n", p.index, c.tree.N)
	return nil
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "check":
		check(os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "make":
		makeFile(os.Args[2])
	case len(os.Args) >= 4 && len(os.Args) <= 5 && os.Args[1] == "cert":
		text, err := os.ReadFile(os.Args[3])
		fail(err)
		pub, err := hex.DecodeString(strings.TrimSpace(string(text)))
		fail(err)
		fail(cert(os.Args[2], pub, strings.Join(os.Args[4:], "")))
	case len(os.Args) == 4 && os.Args[1] == "proof":
		fail(proofFile(os.Args[2], os.Args[3]))
	default:
		fmt.Fprintln(os.Stderr, "usage: interop check DIR | make FILE | cert FILE PUB [VKEY] | proof FILE VKEY")
		os.Exit(2)
	}
}
