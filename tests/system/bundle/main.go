// SPDX-License-Identifier: Apache-2.0

// An auditor's own check of a bundle, with Go's transparency log library and nothing of ours: the checkpoint
// under its key, then each leaf hash on stdin ("index hex") in its tree, through the tiles in the bundle.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/ioutil"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type tiles struct{ dir string }

func (t tiles) Height() int { return 8 }

// The library's path has the height in it, C2SP's has not.
func (t tiles) ReadTiles(want []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, w := range want {
		b, err := ioutil.ReadFile(filepath.Join(t.dir, "tile", strings.TrimPrefix(w.Path(), "tile/8/")))
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func main() {
	dir := os.Args[1]
	vkey, err := ioutil.ReadFile(filepath.Join(dir, "keys/checkpoint.vkey"))
	must(err)
	verifier, err := note.NewVerifier(strings.TrimSpace(string(vkey)))
	must(err)
	msg, err := ioutil.ReadFile(filepath.Join(dir, "proof/checkpoint"))
	must(err)
	n, err := note.Open(msg, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(n.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	raw, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	var root tlog.Hash
	copy(root[:], raw)
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles{filepath.Join(dir, "proof")})
	count := 0
	for in := bufio.NewScanner(os.Stdin); in.Scan(); count++ {
		f := strings.Fields(in.Text())
		index, err := strconv.ParseInt(f[0], 10, 64)
		must(err)
		b, err := hex.DecodeString(f[1])
		must(err)
		var leaf tlog.Hash
		copy(leaf[:], b)
		proof, err := tlog.ProveRecord(size, index, reader)
		must(err)
		must(tlog.CheckRecord(proof, size, root, index, leaf))
	}
	fmt.Println(count, "in a tree of", size)
}
