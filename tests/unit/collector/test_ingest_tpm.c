// SPDX-License-Identifier: Apache-2.0
/*
 * The line of a host's TPM as the witness looks for it: kept where it holds, refused where it is wrong, a
 * finding where it is missing or another's; and the chain is cosigned all the same. Keys are made here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include "collector/ingest.h"
#include "host.h"
#include "record/note_ecdsa.h"

#define NO_FAULT PROBITY__V1__ACK__FAULT__NONE
#define REFUSED PROBITY__V1__ACK__FAULT__CHECKPOINT

struct key {
	EVP_PKEY *k;
	uint8_t public[ECDSA_PUBLIC_LEN];
};
static struct key ours, other;
static char dir[] = "/tmp/probity-witness-tpm-XXXXXX";
static struct witness *witness;
static struct store *store;
static struct host h;
static uint64_t cosigned; /* size */

static void key_new(struct key *k)
{
	uint8_t *p = k->public;

	k->k = EVP_EC_gen("P-256");
	assert_int_equal(i2d_PUBKEY(k->k, &p), ECDSA_PUBLIC_LEN);
}

static size_t line(struct key *k, const char *text, size_t n, char *out, size_t cap)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[NOTE_SIG_MAX];
	char name[NOTE_NAME_MAX];
	size_t len;

	do { /* longer than an Ed25519 one, as all but one in 2^48 are */
		len = sizeof(sig);
		assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->k), 1);
		assert_int_equal(EVP_DigestSign(ctx, sig, &len, (const uint8_t *)text, n), 1);
		EVP_MD_CTX_reset(ctx);
	} while (len <= RECORD_SIG_LEN);
	EVP_MD_CTX_free(ctx);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(text, "\n"), text);
	return note_line(name, note_ecdsa_id(k->public), sig, len, out, cap);
}

static int set_up(void **state)
{
	char path[96], err[512];

	if (!mkdtemp(dir))
		return -1;
	key_new(&ours);
	key_new(&other);
	snprintf(path, sizeof(path), "%s/a.key", dir);
	h = host_new(path, 0xaa);
	snprintf(path, sizeof(path), "%s/probity.db", dir);
	return store_open(path, STORE_WRITE, &store, err, sizeof(err)) ||
	       witness_open(dir, "col.example", &witness, err, sizeof(err));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	return remove(path);
}

static int tear_down(void **state)
{
	store_free(store);
	witness_free(witness);
	host_free(&h);
	EVP_PKEY_free(ours.k);
	EVP_PKEY_free(other.k);
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int count_tpm(void *ctx, const struct store_finding *f)
{
	unsigned *n = ctx;

	*n += !strcmp(f->kind, "tpm") && f->severity == STORE_HIGH;
	return 0;
}

static unsigned findings(void)
{
	unsigned n = 0;

	assert_int_equal(store_findings(store, 100, count_tpm, &n), 0);
	return n;
}

/* Its line in what was cosigned holds, under this key; NULL: there is none but the chain's and ours. */
static void kept(const char *note, const struct key *k)
{
	struct checkpoint c;
	const char *why;
	struct note n;

	assert_int_equal(note_parse(note, strlen(note), &n, &why), 0);
	assert_int_equal(checkpoint_parse(n.text, n.text_n, &c, &why), 0);
	assert_int_equal(n.n, k ? 3 : 2);
	if (k)
		assert_int_equal(note_ecdsa_verify(&n, c.origin, k->public), 0);
}

enum with { NONE, OURS, OTHER, WRONG };
enum adds { NOTHING, CALL, SEAL_OURS, SEAL_OTHER, SEAL_NONE };

static struct host_record add(enum adds what)
{
	const struct key *const names[] = {
		[SEAL_OURS] = &ours, [SEAL_OTHER] = &other, [SEAL_NONE] = NULL};

	if (what == CALL)
		return host_call(&h, "ann");
	h.tpm = names[what] ? names[what]->public : NULL;
	h.tpm_len = names[what] ? ECDSA_PUBLIC_LEN : 0;
	return host_end_epoch(&h);
}

/* In order, of one chain. */
static const struct {
	enum adds adds;
	enum with with;
	int fault;
	unsigned findings; /* so far */
} steps[] = {
	{CALL, NONE, NO_FAULT, 0},
	{CALL, OURS, NO_FAULT, 0}, /* whose that is nobody has said yet: not kept */
	{SEAL_OURS, OURS, NO_FAULT, 0},
	{CALL, OURS, NO_FAULT, 0},
	{CALL, NONE, NO_FAULT, 1},
	{CALL, NONE, NO_FAULT, 1}, /* said before */
	{CALL, OURS, NO_FAULT, 1},
	{CALL, OTHER, NO_FAULT, 2}, /* as if there were none */
	{CALL, WRONG, REFUSED, 3},
	{NOTHING, OURS, NO_FAULT, 3},
	{SEAL_OURS, OURS, NO_FAULT, 3},
	{CALL, NONE, NO_FAULT, 4},
	{SEAL_OURS, NONE, NO_FAULT, 5}, /* once an epoch while it lasts */
	{CALL, OURS, NO_FAULT, 5},
	{SEAL_OTHER, OTHER, NO_FAULT, 6},
	{CALL, OTHER, NO_FAULT, 6},
	{SEAL_NONE, NONE, NO_FAULT, 7},
	{CALL, NONE, NO_FAULT, 7},
};

static void send(const struct host_record *r, struct key *k, bool wrong, int fault,
		 const struct key *keeps)
{
	const struct host_record *list[] = {r};
	struct ingest_peer peer = {.cn = "alpha"};
	struct ingest_result res;
	Probity__V1__Ack *ack;
	char note[2048];
	size_t text, n = host_checkpoint(&h, h.seq, note, sizeof(note)), len;
	uint8_t *body;
	const struct host_more more = {.tree = &h,
				       .checkpoint = note,
				       .size = h.seq,
				       .witnessed = cosigned};

	text = strstr(note, "\n\n") + 1 - note;
	if (k)
		note[n + line(k, note, text - wrong, note + n, sizeof(note) - n)] = '\0';
	body = host_batch(h.chain, 16, signer_public(h.keys[0]), 1, list, r != NULL, &more, &len);
	assert_int_equal(ingest_batch(store, witness, NULL, &peer, body, len, HOST_NOW_NS, &res),
			 0);
	ack = probity__v1__ack__unpack(NULL, res.ack_len, res.ack);
	free(body);
	if ((int)ack->fault != fault)
		fail_msg("fault %d: %s", ack->fault, ack->error);
	assert_int_equal(!ack->cosigned[0], fault != NO_FAULT);
	if (ack->cosigned[0]) {
		kept(ack->cosigned, keeps);
		cosigned = h.seq;
	}
	probity__v1__ack__free_unpacked(ack, NULL);
}

static void story(void **state)
{
	struct key *const keys[] = {NULL, &ours, &other, &ours};
	struct host_record r = host_start(&h, signer_public(h.signer));
	const struct key *named = NULL;

	send(&r, NULL, false, NO_FAULT, NULL);
	free(r.bytes);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct key *k = keys[steps[i].with];
		bool is = steps[i].adds != NOTHING;

		if (is)
			r = add(steps[i].adds);
		if (steps[i].adds >= SEAL_OURS)
			named = steps[i].adds == SEAL_OURS    ? &ours
				: steps[i].adds == SEAL_OTHER ? &other
							      : NULL;
		send(is ? &r : NULL, k, steps[i].with == WRONG, steps[i].fault,
		     k == named ? k : NULL);
		assert_int_equal(findings(), steps[i].findings);
		if (is)
			free(r.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(story)};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
