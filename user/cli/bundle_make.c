// SPDX-License-Identifier: Apache-2.0
/*
 * probity export -o FILE.tar.zst. Out: one archive, whole or not there at all. Each record proves itself under
 * the chain's keys, so an unsigned bundle loses no proof of them; the signature over the manifest
 * (--sign-key, an operator's own Ed25519 key, for the agent's keys are the agent's and the CLI has none)
 * says who put these records, packs and reports together. Without one that is said loudly.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/fs.h"
#include "base/hex.h"
#include "bundle_int.h"
#include "cli.h"
#include "export/archive.h"
#include "export/dsse.h"
#include "export_cmd.h"
#include "record/printable.h"
#include "record/render.h"
#include "text.h"

#define README_MAX 16384

DEFINE_CLEANUP(struct signer, signer_free)

static int put_hex(struct stage *s, const char *path, const uint8_t key[static RECORD_PUBKEY_LEN])
{
	char text[2 * RECORD_PUBKEY_LEN + 2];

	hex_encode(key, RECORD_PUBKEY_LEN, text);
	strcat(text, "\n");
	return stage_bytes(s, path, text, strlen(text));
}

static int put_witness(struct stage *s, const char *vkey)
{
	struct note_key k;
	char line[NOTE_NAME_MAX + 128];

	if (!vkey)
		return 0;
	if (note_vkey_parse_of(vkey, strlen(vkey), NOTE_COSIGNATURE, &k) ||
	    snprintf(line, sizeof(line), "%s\n", vkey) >= (int)sizeof(line)) {
		snprintf(s->err, sizeof(s->err), "--witness: not the vkey of a cosigning witness");
		return -EINVAL;
	}
	return stage_bytes(s, BUNDLE_WITNESS, line, strlen(line));
}

static int put_papers(struct stage *s, const struct export_ask *a)
{
	int r = a->soa ? stage_file(s, "governance/soa.yaml", a->soa) : 0;

	if (!r && a->registry)
		r = stage_file(s, "governance/register.yaml", a->registry);
	if (!r && a->reports)
		r = stage_tree(s, "reports", a->reports);
	if (!r && a->policy)
		r = stage_tree(s, "policy", a->policy);
	return r;
}

static int put_sums(struct stage *s)
{
	char *text = NULL, sum[65];
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);
	int r;

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < s->manifest.n; i++) {
		hex_encode(s->manifest.files[i].sha256, 32, sum);
		fprintf(f, "%s  %s\n", sum, s->manifest.files[i].path);
	}
	r = fclose(f) ? -ENOMEM : stage_bytes(s, BUNDLE_SUMS, text, n);
	free(text);
	return r;
}

/* The manifest is the last: nothing may come after it. */
static int put_manifest(struct stage *s, struct signer *signer)
{
	_cleanup_free_ char *text = manifest_text(&s->manifest), *envelope = NULL;
	int r;

	if (!text)
		return -ENOMEM;
	r = stage_plain(s, BUNDLE_MANIFEST, text, strlen(text));
	if (r || !signer)
		return r;
	r = dsse_sign(DSSE_BUNDLE_TYPE, text, strlen(text), signer, &envelope);
	return r ?: stage_plain(s, BUNDLE_DSSE, envelope, strlen(envelope));
}

static int pack(struct stage *s, const char *out, bool is_signed)
{
	static const char *const first[] = {"README.md", BUNDLE_MANIFEST, BUNDLE_DSSE, BUNDLE_SUMS};
	const char **names = calloc(s->manifest.n + ARRAY_SIZE(first), sizeof(*names));
	size_t n = 0;
	int r;

	if (!names)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(first); i++)
		if (is_signed || strcmp(first[i], BUNDLE_DSSE))
			names[n++] = first[i];
	for (size_t i = 0; i < s->manifest.n; i++)
		if (strcmp(s->manifest.files[i].path, "README.md") &&
		    strcmp(s->manifest.files[i].path, BUNDLE_SUMS))
			names[n++] = s->manifest.files[i].path;
	r = archive_make(s->dir, names, n, time(NULL), out, s->err, sizeof(s->err));
	free(names);
	return r;
}

/* Host and organisation stand in the checkpoint's origin. */
static void describe(struct stage *s, const struct export_ask *a, const struct bundle_range *range)
{
	struct manifest *m = &s->manifest;
	_cleanup_free_ char *text = NULL;
	struct checkpoint c;
	struct note note;
	const char *why;
	char path[4400];

	m->version = BUNDLE_VERSION;
	snprintf(m->tool, sizeof(m->tool), "probity %s", PROBITY_VERSION);
	render_time(time_now(), m->created);
	if (a->from)
		render_time(a->from_ns, m->from);
	if (a->to)
		render_time(a->to_ns, m->to);
	memcpy(m->chain, range->chain, sizeof(m->chain));
	m->first_seq = range->first;
	m->last_seq = range->last;
	snprintf(path, sizeof(path), "%s/checkpoint", a->dir);
	if (!bundle_note(path, &text, &note, &c, &why)) {
		char *slash = strrchr(c.origin, '/');

		if (slash)
			*slash = '\0';
		printable_copy(m->host, sizeof(m->host), c.origin);
	}
}

static int keys_of(const struct export_ask *a, struct stage *s, struct epoch_keys *keys)
{
	char path[4400];
	int r = public_read(a->key, s->manifest.public, s->err, sizeof(s->err));

	if (!r)
		r = epoch_keys_begin(keys, s->manifest.public);
	snprintf(path, sizeof(path), "%s/seals", a->dir);
	if (!r)
		r = epoch_keys_add(keys, path);
	if (r == -EBADMSG) /* not ours to hide: verify will name it */
		fprintf(stderr, "probity export: WARNING: %s: a SEAL does not follow from %s\n",
			path, a->key);
	return r == -ENOENT || r == -EBADMSG ? 0 : r;
}

static int make(const struct export_ask *a, struct stage *s, struct bundle_range *range,
		struct signer *signer)
{
	_cleanup_(epoch_keys_done) struct epoch_keys keys = {0};
	_cleanup_free_ char *readme = malloc(README_MAX);
	int r = readme ? keys_of(a, s, &keys) : -ENOMEM;
	size_t n;

	if (!r)
		r = bundle_put_records(s, a->dir, range);
	if (r)
		return r;
	describe(s, a, range);
	r = bundle_put_proof(s, a->dir, range, &keys);
	if (r == -ENOENT) /* the chain has no checkpoint yet */
		r = 0;
	if (!r)
		r = put_hex(s, BUNDLE_KEY, s->manifest.public);
	if (!r && signer)
		r = put_hex(s, BUNDLE_SIGNER, signer_public(signer));
	if (!r)
		r = put_witness(s, a->witness);
	if (!r)
		r = put_papers(s, a);
	if (r)
		return r;
	n = bundle_readme(&s->manifest, signer != NULL, readme, README_MAX);
	r = n ? stage_bytes(s, "README.md", readme, n) : -ENOBUFS;
	if (!r)
		r = put_sums(s);
	if (!r)
		r = put_manifest(s, signer);
	return r ?: pack(s, a->out, signer != NULL);
}

static void tell(const struct export_ask *a, const struct stage *s,
		 const struct bundle_range *range, bool is_signed)
{
	struct stat st = {0};
	char size[16];

	stat(a->out, &st);
	text_size(st.st_size, size);
	fprintf(stderr, "%s: %s, %" PRIu64 " records (seq %" PRIu64 " to %" PRIu64 "), %zu files\n",
		a->out, size, range->records, range->first, range->last, s->manifest.n);
	if (!s->manifest.checkpoint_size)
		fputs("WARNING: no checkpoint is there yet: the bundle has no tree proof\n",
		      stderr);
	else if (s->manifest.checkpoint_size <= range->last)
		fprintf(stderr, "the newest checkpoint covers records before %" PRIu64 " only\n",
			s->manifest.checkpoint_size);
	if (range->open)
		fputs("its last epoch is open: no SEAL is at its end\n", stderr);
	if (range->damaged)
		fprintf(stderr, "WARNING: %" PRIu64 " places were damaged; run probity verify\n",
			range->damaged);
	if (!is_signed)
		fputs("WARNING: THE MANIFEST IS NOT SIGNED: anyone can put another together; only the records\n"
		      "prove themselves. Sign with --sign-key FILE.\n",
		      stderr);
}

int export_bundle(const struct export_ask *a)
{
	_cleanup_(signer_freep) struct signer *signer = NULL;
	struct bundle_range range = {.from_ns = a->from_ns, .to_ns = a->to_ns};
	struct stage s;
	char safe[600];
	int r;

	if (!a->key) {
		fputs("probity export: --dir needs --key: the chain's public key (keys/chain.pub)\n",
		      stderr);
		return CLI_USAGE;
	}
	r = stage_open(a->out, &s);
	if (!r && a->sign_key)
		r = signer_open(a->sign_key, false, &signer, s.err, sizeof(s.err));
	if (!r)
		r = make(a, &s, &range, signer);
	if (!r)
		tell(a, &s, &range, signer != NULL);
	stage_done(&s);
	if (r == -ENODATA) {
		fputs("probity export: no record in that range\n", stderr);
		return CLI_NEGATIVE;
	}
	if (r) {
		printable_copy(safe, sizeof(safe), s.err[0] ? s.err : strerror(-r));
		fprintf(stderr, "probity export: %s\n", safe);
		return CLI_UNREACHABLE;
	}
	return range.damaged ? CLI_NEGATIVE : CLI_OK;
}
