// SPDX-License-Identifier: Apache-2.0
/*
 * In: a collector's address. Out: a verdict on each chain it gives. Nothing it says is believed: records
 * are fetched (collector_read.c) and judged as a spool's would be, under the key the auditor has, or else
 * the one the chain names itself; its cosigned checkpoint must be covered by the records it gives.
 *
 * Records that are missing: a hole that a signed LOSS record of the chain declares is told and is no
 * finding; any other is one, and so is an end before the last record the collector says it holds. For each
 * hole it must give what the host proved it with (collector_hole.h): the SEALs in it, without which the key
 * behind it is not known, and the tree's edge, which must go on from the tree before and which the next
 * SEAL's root tests. So checkpoints are compared behind a hole as well, but for sizes in it. Records without
 * their payload must be declared by an ERASE record. At most LOSSES_MAX declarations of a chain are
 * remembered.
 */
#include "verify_collector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "cli.h"
#include "collector_read.h"
#include "stamped.h"
#include "proto/record.pb-c.h"
#include "record/checkpoint.h"
#include "record/erasures.h"
#include "record/printable.h"
#include "record/render.h"
#include "term.h"
#include "text.h"

#define LOSSES_MAX 4096
#define TSA_CA_MAX (1u << 20)

DEFINE_CLEANUP(struct collector_read, collector_read_free)

struct chain {
	char id[33], host[128];
	const char *cosigned;
	uint64_t last_seq;
	bool has_last;

	uint64_t records, bytes, epochs, seals, signatures, macs, erased;
	uint64_t first_seq, next_seq, findings, holes, undeclared, lost;
	uint64_t witness_size, witness_s, checkpoint_size;
	struct verify_finding first;
	struct {
		uint64_t first, last;
	} loss[LOSSES_MAX];
	size_t losses;
	uint8_t public[RECORD_PUBKEY_LEN]; /* of the first epoch */
	bool public_known;
	struct erasures erasures;
	struct stamped stamp;
};

static void found(struct chain *c, const char *kind, uint64_t seq, const char *fmt, uint64_t a,
		  uint64_t b)
{
	if (!c->findings++) {
		c->first = (struct verify_finding){.seq = seq};
		snprintf(c->first.kind, sizeof(c->first.kind), "%s", kind);
		snprintf(c->first.detail, sizeof(c->first.detail), fmt, a, b);
	}
}

static int on_record(void *ctx, const struct record *r, const struct frame *f)
{
	Probity__V1__Control *ctl;
	struct chain *c = ctx;
	int e = record_erased(f->record, f->record_len)
			? erasures_erased(&c->erasures, r->seq)
			: erasures_record(&c->erasures, r->seq, r->schema, r->payload,
					  r->payload_len);

	if (e)
		return e;
	if (r->schema != RECORD_CONTROL || !r->payload || c->losses == LOSSES_MAX)
		return 0;
	ctl = probity__v1__control__unpack(NULL, r->payload_len, r->payload);
	if (ctl && ctl->kind == PROBITY__V1__CONTROL__KIND__LOSS && ctl->last_seq < r->seq &&
	    ctl->last_seq >= ctl->first_seq && ctl->last_seq) {
		c->loss[c->losses].first = ctl->first_seq;
		c->loss[c->losses++].last = ctl->last_seq;
	}
	if (ctl)
		probity__v1__control__free_unpacked(ctl, NULL);
	return 0;
}

/* --- one chain ------------------------------------------------------------------------------------- */

static void add(struct chain *c, const struct verify_result *v)
{
	c->records += v->records;
	c->bytes += v->bytes;
	c->epochs += v->epochs;
	c->seals += v->seals;
	c->signatures += v->signatures;
	c->macs += v->macs;
	c->erased += v->erased;
	if (v->findings && !c->findings)
		c->first = v->first;
	c->findings += v->findings;
	if (v->witness_size > c->witness_size) {
		c->witness_size = v->witness_size;
		c->witness_s = v->witness_s;
	}
	if (v->checkpoint_size > c->checkpoint_size)
		c->checkpoint_size = v->checkpoint_size;
}

/* Of what the collector has cosigned, and the auditor brought, what this piece can tell: a note that is none
 * falls to the first piece, which says so. */
static bool of_piece(const struct verify_known *k, const struct collector_pieces *p, size_t i)
{
	struct checkpoint c = {.size = 0};
	const char *why;
	struct note n;
	size_t at = 0;

	if (!note_parse(k->note, k->n, &n, &why) && checkpoint_parse(n.text, n.text_n, &c, &why))
		c.size = 0;
	while (at + 1 < p->n && c.size >= p->p[at + 1].first)
		at++;
	return at == i;
}

static size_t checkpoints(const struct verify_collector *a, const struct chain *c,
			  const struct collector_pieces *p, size_t i, struct verify_known *out)
{
	const struct verify_known own[] = {
		{"the collector's cosigned checkpoint", c->cosigned, strlen(c->cosigned)},
		{"the stamped checkpoint", c->stamp.entry ?: "", strlen(c->stamp.entry ?: "")},
	};
	size_t n = 0;

	for (size_t k = 0; k < a->trust->known_n; k++)
		if (of_piece(&a->trust->known[k], p, i))
			out[n++] = a->trust->known[k];
	for (size_t k = 0; k < ARRAY_SIZE(own); k++)
		if (own[k].n && of_piece(&own[k], p, i))
			out[n++] = own[k];
	return n;
}

static bool declared(const struct chain *c, uint64_t first, uint64_t last)
{
	for (size_t i = 0; i < c->losses; i++)
		if (c->loss[i].first <= first && c->loss[i].last >= last)
			return true;
	return false;
}

/* What lies before piece i; before: what was read in front of it, NULL: nothing. */
static void look_at_hole(const struct collector_pieces *p, size_t i,
			 const struct verify_result *before, struct chain *c)
{
	const struct collector_hole *h = p->p[i].hole;
	uint64_t first = i ? p->p[i - 1].next : 0, last = p->p[i].first - 1;

	if (!h)
		found(c, "missing segment", first,
		      "it gives nothing that proves the hole of records %" PRIu64 " to %" PRIu64,
		      first, last);
	else if (!h->has_edge || (!before && h->path_n) ||
		 (before && before->tree_known && !collector_hole_follows(h, first, &before->root)))
		found(c, "tree", last + 1,
		      "the tree it gives for the records before %" PRIu64
		      " does not go on from that of the first %" PRIu64,
		      last + 1, first);
}

static int verify_piece(const struct verify_collector *a, const struct collector_pieces *p,
			size_t i, struct verify_known *known, struct verify_result *ret,
			struct chain *c)
{
	const struct collector_hole *h = p->p[i].hole;
	struct verify_options o = *a->trust;

	o.part = true;
	o.before = h && h->has_edge ? &h->edge : NULL;
	o.record = on_record;
	o.finding = NULL;
	o.progress = NULL;
	o.ctx = c;
	if (!o.expect_public && c->public_known) /* what it said itself holds to its end */
		o.expect_public = c->public;
	o.known = known;
	o.known_n = checkpoints(a, c, p, i, known);
	if (i + 1 < p->n && !o.known_n) /* a cosigned one may be in a later piece */
		o.witnesses_n = 0;
	return verify_dir(p->p[i].dir, &o, ret);
}

static int verify_pieces(const struct verify_collector *a, const struct collector_pieces *p,
			 struct chain *c)
{
	_cleanup_free_ struct verify_known *known = calloc(a->trust->known_n + 2, sizeof(*known));
	struct verify_result v = {0}, before;
	int r = known ? 0 : -ENOMEM;

	for (size_t i = 0; i < p->n && !r; i++) {
		before = v;
		if (p->p[i].first)
			look_at_hole(p, i, i ? &before : NULL, c);
		v = (struct verify_result){0};
		r = verify_piece(a, p, i, known, &v, c);
		if (r)
			break;
		if (!i && !p->p[0].first && v.records) {
			memcpy(c->public, v.public, sizeof(c->public));
			c->public_known = true;
		}
		add(c, &v);
	}
	return r;
}

/* By a record of the chain that is held, or by the one that came with the hole and is still to come itself. */
static bool is_declared(const struct verify_collector *a, const struct collector_piece *p,
			const struct chain *c, uint64_t first, uint64_t last)
{
	const uint8_t *public = p->loss_keyed		  ? p->loss_key
				: a->trust->expect_public ? a->trust->expect_public
							  : c->public;

	return declared(c, first, last) ||
	       (p->hole && collector_hole_declared(p->hole, public, first, last));
}

static void look_at_holes(const struct verify_collector *a, const struct collector_pieces *p,
			  struct chain *c)
{
	struct erasure gone;

	for (size_t i = 1; i < p->n; i++) {
		uint64_t first = p->p[i - 1].next, last = p->p[i].first - 1;

		c->holes++;
		c->lost += last - first + 1;
		if (is_declared(a, &p->p[i], c, first, last))
			continue;
		c->undeclared++;
		found(c, "missing segment", first,
		      "records %" PRIu64 " to %" PRIu64 " are not there and no LOSS record says so",
		      first, last);
	}
	if (erasures_silent(&c->erasures, &gone))
		found(c, "erased", gone.first,
		      "the payloads of records %" PRIu64 " to %" PRIu64
		      " are gone and no ERASE record says so",
		      gone.first, gone.last);
	if (p->n) {
		c->first_seq = p->p[0].first;
		c->next_seq = p->p[p->n - 1].next;
	}
	if (c->has_last && c->last_seq >= c->next_seq)
		found(c, "tail cut", c->next_seq,
		      "it says it holds record %" PRIu64 " and gives none from %" PRIu64 " on",
		      c->last_seq, c->next_seq);
}

static void progress(void *ctx, uint64_t records)
{
	struct chain *c = ctx;

	if (cli_width(stderr))
		fprintf(stderr, "\r%s: %" PRIu64 " records\033[K", c->id, records);
}

/* A stamp that is none is a finding; that there is none yet is told. */
static int stamp(const struct verify_collector *a, struct collector_read *in, struct chain *c,
		 json_t **ret, char *err, size_t err_len)
{
	char why[256] = "";
	_cleanup_free_ char *ca = NULL;
	size_t n;
	int r = a->tsa_ca ? fs_read(a->tsa_ca, TSA_CA_MAX, &ca, &n) : 0;

	if (r)
		snprintf(err, err_len, "%s: %s", a->tsa_ca, strerror(-r));
	else if (ca)
		r = collector_read_stamp(in, c->id, ret, err, err_len);
	if (r || !*ret)
		return r;
	r = stamped(*ret, ca, &c->stamp, why, sizeof(why));
	if (r == -EINVAL)
		snprintf(err, err_len, "%s: %s", a->tsa_ca, why);
	if (r != -EBADMSG)
		return r;
	if (!c->findings++) {
		snprintf(c->first.kind, sizeof(c->first.kind), "time stamp");
		snprintf(c->first.detail, sizeof(c->first.detail), "%.150s", why);
	}
	return 0;
}

static int verify_chain(const struct verify_collector *a, struct collector_read *in,
			struct chain *c, char *err, size_t err_len)
{
	struct collector_pieces pieces = {0};
	json_t *stamped = NULL;
	/* Before the records: what was stamped is among them then. */
	int r = stamp(a, in, c, &stamped, err, err_len);

	if (!r)
		r = collector_read_records(in, c->id, &pieces, a->json ? NULL : progress, c, err,
					   err_len);
	if (!a->json && cli_width(stderr))
		fputs("\r\033[K", stderr);
	if (!r && (r = verify_pieces(a, &pieces, c)))
		snprintf(err, err_len, "%s: %s", c->id, strerror(-r));
	if (!r)
		look_at_holes(a, &pieces, c);
	collector_pieces_free(&pieces);
	erasures_done(&c->erasures);
	c->stamp.entry = NULL;
	json_decref(stamped);
	return r;
}

/* --- the verdict ----------------------------------------------------------------------------------- */

static json_t *chain_json(const struct chain *c)
{
	json_t *o = json_pack("{ss so sb sI sI sI sI sI sI sI sI sI sI sI sI sI}", "chain", c->id,
			      "host", render_text(c->host), "ok", !c->findings, "records",
			      (json_int_t)c->records, "first_seq", (json_int_t)c->first_seq,
			      "last_seq", (json_int_t)c->next_seq - 1, "epochs",
			      (json_int_t)c->epochs, "signatures", (json_int_t)c->signatures,
			      "macs", (json_int_t)c->macs, "erased", (json_int_t)c->erased, "holes",
			      (json_int_t)c->holes, "undeclared_holes", (json_int_t)c->undeclared,
			      "lost", (json_int_t)c->lost, "witness_size",
			      (json_int_t)c->witness_size, "witness_unix_s",
			      (json_int_t)c->witness_s, "findings", (json_int_t)c->findings);

	if (o && c->stamp.size) {
		json_object_set_new(o, "stamp_size", json_integer(c->stamp.size));
		json_object_set_new(o, "stamp_unix_s", json_integer(c->stamp.unix_s));
	}
	if (o && c->findings)
		json_object_set_new(o, "first",
				    json_pack("{so sI sI ss so}", "file",
					      render_text(c->first.file), "offset",
					      (json_int_t)c->first.offset, "seq",
					      (json_int_t)c->first.seq, "kind", c->first.kind,
					      "detail", render_text(c->first.detail)));
	return o;
}

static void print_chain(const struct verify_collector *a, const struct chain *c)
{
	char host[128], detail[160], when[32];
	bool colour = cli_colour(stdout);

	printable_copy(host, sizeof(host), c->host);
	style_on(stdout, c->findings ? ALARM : GOOD, colour);
	fputs(c->findings ? "NOT VERIFIED" : "verified", stdout);
	style_off(stdout, c->findings ? ALARM : GOOD, colour);
	printf("  %s of %s\n", c->id, host);
	printf("  %-10s %" PRIu64 ", seq %" PRIu64 " to %" PRIu64 ", %" PRIu64 " epochs\n",
	       "records", c->records, c->first_seq, c->next_seq - (c->next_seq > 0), c->epochs);
	printf("  %-10s %" PRIu64 " signatures, %" PRIu64 " MACs\n", "checked", c->signatures,
	       c->macs);
	printf("  %-10s %s\n", "key from",
	       a->trust->expect_public ? "--key" : "the chain itself (give --key to expect one)");
	if (c->witness_size) {
		time_local(c->witness_s * 1000000000ull, TIME_DATE, when);
		printf("  %-10s the first %" PRIu64 " records, cosigned %s\n", "witness",
		       c->witness_size, when);
	} else {
		printf("  %-10s %s\n", "witness",
		       a->trust->witnesses_n ? "nothing that is cosigned by --witness and covered"
					     : "cosignatures are not checked (give --witness)");
	}
	if (c->stamp.size) {
		time_local(c->stamp.unix_s * 1000000000ull, TIME_DATE, when);
		printf("  %-10s the first %" PRIu64
		       " records were there on %s, as the authority says\n",
		       "time stamp", c->stamp.size, when);
	} else if (a->tsa_ca) {
		printf("  %-10s none of this chain\n", "time stamp");
	}
	if (c->holes)
		printf("  %-10s %" PRIu64 " records are gone in %" PRIu64 " holes, %" PRIu64
		       " of them declared by the host\n",
		       "lost", c->lost, c->holes, c->holes - c->undeclared);
	if (!c->findings)
		return;
	printable_copy(detail, sizeof(detail), c->first.detail);
	printf("  %-10s %" PRIu64 "; the first: seq %" PRIu64 ": %s%s%s\n", "findings", c->findings,
	       c->first.seq, c->first.kind, detail[0] ? ": " : "", detail);
}

/* Of an answer that is not trusted: false when it is no chain. */
static bool chain_of(const json_t *o, struct chain *c)
{
	const char *id = json_string_value(json_object_get(o, "chain")),
		   *host = json_string_value(json_object_get(o, "host")),
		   *note = json_string_value(json_object_get(o, "cosigned"));
	const json_t *last = json_object_get(o, "last_seq");

	memset(c, 0, sizeof(*c));
	if (!id || strlen(id) != 32 || strspn(id, "0123456789abcdef") != 32)
		return false;
	memcpy(c->id, id, 33);
	snprintf(c->host, sizeof(c->host), "%s", host ?: "");
	c->cosigned = note ?: "";
	c->has_last = json_is_integer(last) && json_integer_value(last) >= 0;
	c->last_seq = c->has_last ? json_integer_value(last) : 0;
	return true;
}

static int verify_all(const struct verify_collector *a, struct collector_read *in,
		      const json_t *list, json_t *out, bool *ret_ok, char *err, size_t err_len)
{
	_cleanup_free_ struct chain *c = calloc(1, sizeof(*c));
	size_t i, n = 0;
	json_t *o;
	int r = c ? 0 : -ENOMEM;

	json_array_foreach((json_t *)list, i, o)
	{
		if (r)
			break;
		if (!chain_of(o, c)) {
			snprintf(err, err_len, "its list names something that is no chain");
			return -EBADMSG;
		}
		if (a->chain && strcmp(a->chain, c->id))
			continue;
		r = verify_chain(a, in, c, err, err_len);
		if (r)
			break;
		n++;
		*ret_ok = *ret_ok && !c->findings;
		if (a->json)
			json_array_append_new(out, chain_json(c));
		else
			print_chain(a, c);
	}
	if (!r && !n) {
		snprintf(err, err_len, a->chain ? "it holds no chain %s" : "it holds no chain%s",
			 a->chain ?: "");
		return -ENOENT;
	}
	return r;
}

int verify_collector(const struct verify_collector *a)
{
	_cleanup_(collector_read_freep) struct collector_read *in = NULL;
	json_t *list = NULL, *out = json_array();
	char err[512] = "out of memory";
	bool ok = true;
	int r;

	if (!a->ca || !a->cert || !a->key) {
		json_decref(out);
		fputs("probity verify: --collector needs --ca, --cert and --cert-key\n", stderr);
		return CLI_USAGE;
	}
	r = collector_read_open(a->url, a->ca, a->cert, a->key, &in, err, sizeof(err));
	if (!r)
		r = collector_read_chains(in, &list, err, sizeof(err));
	if (!r)
		r = verify_all(a, in, list, out, &ok, err, sizeof(err));
	json_decref(list);
	if (r) {
		json_decref(out);
		fprintf(stderr, "probity verify: %s\n", err);
		return r == -ENOENT ? CLI_NEGATIVE : CLI_UNREACHABLE;
	}
	if (!a->json)
		json_decref(out);
	else if (cli_print_json(json_pack("{ss sb so}", "collector", a->url, "ok", ok, "chains",
					  out),
				false, stdout))
		return cli_unreadable(a->url, ENOMEM);
	return ok ? CLI_OK : CLI_NEGATIVE;
}
