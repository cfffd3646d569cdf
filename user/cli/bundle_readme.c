// SPDX-License-Identifier: Apache-2.0
/*
 * The page an auditor reads first: what is in the bundle, and how each claim is checked with openssl,
 * sha256sum and the Go tools for transparency logs, none of them ours. Its shell parts are run by a test.
 */
#include <inttypes.h>
#include <string.h>

#include "base/hex.h"
#include "bundle_int.h"
#include "export/dsse.h"

static const char what[] =
	"# Evidence bundle\n\n"
	"Records of AI use that Probity sealed on one host, with what proves them. Made by %s at\n%s.\n\n"
	"- host: %s\n- chain: %s\n- records: seq %" PRIu64 " to %" PRIu64 "%s%s%s%s\n"
	"- checkpoint: %s\n- manifest: %s\n\n"
	"What this shows: the records here are those the host's agent sealed, in that order, none changed,\n"
	"none left out between the first and the last, as long as the keys were the host's when they were used.\n"
	"What it cannot show: what the agent did not see, or records behind the last one here. LOSS records\n"
	"and late SEALs in it are the agent's own word on what is missing.\n\n"
	"`probity verify FILE.tar.zst --key CHAIN.PUB` does all of the below. CHAIN.PUB must come to you on\n"
	"another way than this bundle; compare it with keys/chain.pub.\n\n";

static const char files[] =
	"## Files\n\n"
	"| path | |\n|---|---|\n"
	"| manifest.json | every other file with size and SHA-256 |\n"
	"| manifest.dsse.json | its signature (DSSE, Ed25519), if there is one |\n"
	"| records/*.seg | the sealed records, byte for byte |\n"
	"| records/seals, proof/seals | the SEAL records that name the key of each epoch |\n"
	"| proof/checkpoint | the signed size and root of the chain's Merkle tree (C2SP tlog-checkpoint) |\n"
	"| proof/witnessed | the newest one a witness cosigned (C2SP tlog-cosignature) |\n"
	"| proof/tile/ | hashes that lead from the records to that root (C2SP tlog-tiles) |\n"
	"| keys/chain.pub | key of the chain's first epoch, hex; checkpoint.vkey: of the checkpoint |\n"
	"| policy/, governance/, reports/ | packs in force, statement of applicability, register, reports |\n\n";

static const char step1[] =
	"## 1. Nothing was changed after packing\n\n"
	"```sh\n"
	"sha256sum --quiet -c SHA256SUMS\n"
	"want=$(sed -n '/\"SHA256SUMS\"/,/sha256/s/.*\"sha256\": \"\\(.*\\)\".*/\\1/p' manifest.json)\n"
	"test \"$(sha256sum <SHA256SUMS | cut -d' ' -f1)\" = \"$want\"\n"
	"```\n\n";

static const char step2[] =
	"## 2. Who packed it\n\n"
	"```sh\n"
	"field() { sed -n \"/\\\"$1\\\"/{s/.*\\\"$1\\\": *\\\"\\([^\\\"]*\\)\\\".*/\\1/p;q;}\" manifest.dsse.json; }\n"
	"field payload | base64 -d | cmp - manifest.json\n"
	"{ printf 'DSSEv1 %zu " DSSE_BUNDLE_TYPE
	" %%s ' \"$(wc -c <manifest.json)\"; cat manifest.json; } >pae\n"
	"field sig | base64 -d >sig\n"
	"printf \"$(printf 302a300506032b6570032100%%s \"$(cat keys/bundle.pub)\" | sed 's/../\\\\x&/g')\" |\n"
	"\topenssl pkey -pubin -inform DER -out bundle.pem\n"
	"openssl pkeyutl -verify -pubin -inkey bundle.pem -rawin -in pae -sigfile sig\n"
	"```\n\n"
	"keys/bundle.pub is the bundle's own word: compare it with the operator's key you know.\n\n";

static const char step2_none[] =
	"## 2. Who packed it\n\n"
	"**The manifest is not signed.** Who put these files together is not proved; the records are, below.\n\n";

static const char step3[] =
	"## 3. A record\n\n"
	"A .seg file is frames one after the other: 12 bytes (magic PBR1 or, where the payload was erased,\n"
	"PBE1; length; CRC-32C; big-endian), then the record, MAC[32], signature[64]. A record is a header of\n"
	"176 bytes and its payload (protobuf). The header holds the SHA-256 of the payload (at 144) and the leaf\n"
	"hash of the record before (at 112), and is what is signed. For the first record of a file:\n\n"
	"```sh\n"
	"set -- records/*.seg\n"
	"seg=$1\n"
	"cut_() { head -c $(($2 + $3)) \"$1\" | tail -c \"$3\"; }\n"
	"number() { cut_ \"$1\" \"$2\" 4 | od -An -tu1 | awk '{print (($1*256+$2)*256+$3)*256+$4}'; }\n"
	"len=$(number \"$seg\" 4)\n"
	"cut_ \"$seg\" 12 176 >header\n"
	"cut_ \"$seg\" $((12 + len - 64)) 64 >signature\n"
	"{ printf '\\0'; cat header; } | sha256sum   # its leaf hash\n"
	"cut_ \"$seg\" 188 $((len - 176 - 96)) | sha256sum | cut -c1-64 >payload.sum\n"
	"test \"$(cut_ header 144 32 | od -An -v -tx1 | tr -d ' \\n')\" = \"$(cat payload.sum)\"\n"
	"```\n\n"
	"The key of epoch 0 is keys/chain.pub; that of each later one stands in the SEAL record before it\n"
	"(protobuf field 64). Bytes 104 to 111 of a header are the first 8 of its key's SHA-256. Then, as above:\n"
	"`openssl pkeyutl -verify -pubin -inkey KEY.pem -rawin -in header -sigfile signature`.\n\n";

static const char step4[] =
	"## 4. All of them are in the tree the host and the witness signed\n\n"
	"proof/ is a C2SP tlog-tiles log. With Go's golang.org/x/mod/sumdb: `note.Open` takes proof/checkpoint\n"
	"with the key in keys/checkpoint.vkey (`note.NewVerifier`); `tlog.CheckRecord` takes a record's leaf hash\n"
	"and the path that `tlog.ProveRecord` reads through `tlog.TileHashReader` (height 8, files\n"
	"proof/tile/LEVEL/INDEX). A cosignature in proof/witnessed says what the witness saw, and when.\n";

size_t bundle_readme(const struct manifest *m, bool is_signed, char *out, size_t cap)
{
	FILE *f = fmemopen(out, cap, "w");
	char chain[33], checkpoint[64] = "**none: no proof/ is here, part 4 cannot be done**";
	long n;

	if (!f)
		return 0;
	hex_encode(m->chain, sizeof(m->chain), chain);
	if (m->checkpoint_size)
		snprintf(checkpoint, sizeof(checkpoint), "of %" PRIu64 " records",
			 m->checkpoint_size);
	fprintf(f, what, m->tool, m->created, m->host[0] ? m->host : "unknown", chain, m->first_seq,
		m->last_seq, m->from[0] ? ", from " : "", m->from, m->to[0] ? ", to " : "", m->to,
		checkpoint, is_signed ? "signed" : "**not signed**");
	fputs(files, f);
	fputs(step1, f);
	if (is_signed)
		fprintf(f, step2, strlen(DSSE_BUNDLE_TYPE));
	else
		fputs(step2_none, f);
	fputs(step3, f);
	fputs(step4, f);
	fflush(f);
	n = ferror(f) ? 0 : ftell(f);
	fclose(f);
	return n > 0 && (size_t)n < cap - 1 ? n : 0;
}
