// SPDX-License-Identifier: Apache-2.0
/*
 * In: a collector's address. Out: a verdict on each chain it gives. Nothing it says is believed: records
 * are fetched (collector_read.c) and judged as a spool's would be, under the key the auditor has, or else
 * the one the chain names itself; its cosigned checkpoint must be covered by the records it gives.
 *
 * Records that are missing: a hole that a signed LOSS record of the chain declares is told and is no
 * finding; any other is one, and so is an end before the last record the collector says it holds. Behind a
 * hole the tree cannot be computed: SEALs are checked for all but their root, and checkpoints are compared
 * only for a chain that is whole. At most LOSSES_MAX declarations of a chain are remembered.
 */
#include "verify_collector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli.h"
#include "collector_read.h"
#include "proto/record.pb-c.h"
#include "record/printable.h"
#include "record/render.h"
#include "term.h"
#include "text.h"

#define LOSSES_MAX 4096

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

/* What the collector has cosigned, and what the auditor brought. */
static size_t checkpoints(const struct verify_collector *a, const struct chain *c,
			  struct verify_known *out)
{
	size_t n = 0;

	for (size_t i = 0; i < a->trust->known_n; i++)
		out[n++] = a->trust->known[i];
	if (*c->cosigned)
		out[n++] = (struct verify_known){"the collector's cosigned checkpoint", c->cosigned,
						 strlen(c->cosigned)};
	return n;
}

static int verify_pieces(const struct verify_collector *a, const struct collector_pieces *p,
			 struct chain *c)
{
	_cleanup_free_ struct verify_known *known = calloc(a->trust->known_n + 1, sizeof(*known));
	struct verify_options o = *a->trust;
	int r = known ? 0 : -ENOMEM;

	o.part = true;
	o.record = on_record;
	o.finding = NULL;
	o.progress = NULL;
	o.ctx = c;
	o.known = NULL;
	o.known_n = 0;
	if (!r && p->n == 1 && !p->p[0].first) { /* whole: its tree is known */
		o.known = known;
		o.known_n = checkpoints(a, c, known);
	} else {
		o.witnesses = NULL;
		o.witnesses_n = 0;
	}
	for (size_t i = 0; i < p->n && !r; i++) {
		struct verify_result v = {0};

		r = verify_dir(p->p[i].dir, &o, &v);
		if (!r)
			add(c, &v);
	}
	return r;
}

static bool declared(const struct chain *c, uint64_t first, uint64_t last)
{
	for (size_t i = 0; i < c->losses; i++)
		if (c->loss[i].first <= first && c->loss[i].last >= last)
			return true;
	return false;
}

static void look_at_holes(const struct collector_pieces *p, struct chain *c)
{
	for (size_t i = 1; i < p->n; i++) {
		uint64_t first = p->p[i - 1].next, last = p->p[i].first - 1;

		c->holes++;
		c->lost += last - first + 1;
		if (declared(c, first, last))
			continue;
		c->undeclared++;
		found(c, "missing segment", first,
		      "records %" PRIu64 " to %" PRIu64 " are not there and no LOSS record says so",
		      first, last);
	}
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

static int verify_chain(const struct verify_collector *a, struct collector_read *in,
			struct chain *c, char *err, size_t err_len)
{
	struct collector_pieces pieces = {0};
	int r = collector_read_records(in, c->id, &pieces, a->json ? NULL : progress, c, err,
				       err_len);

	if (!a->json && cli_width(stderr))
		fputs("\r\033[K", stderr);
	if (r)
		return r;
	r = verify_pieces(a, &pieces, c);
	if (r)
		snprintf(err, err_len, "%s: %s", c->id, strerror(-r));
	else
		look_at_holes(&pieces, c);
	collector_pieces_free(&pieces);
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
		       c->holes || c->first_seq
			       ? "checkpoints are not compared: records before them are gone"
		       : a->trust->witnesses_n ? "nothing that is cosigned by --witness and covered"
					       : "cosignatures are not checked (give --witness)");
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
