/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of a text in; counts of confirmed values per data class out.
 *
 * Vectorscan finds candidates in a window, the rules confirm them, and a value is counted in the
 * one scan in which the byte LOOKAHEAD behind its end becomes known (or the text ends). Every
 * decision about a value depends on bytes within LOOKBEHIND before its end and LOOKAHEAD behind
 * it: its bounds, its keyword, and the numbers that overlap it. The seam keeps as many bytes as
 * both together, so a text gives the same counts however it is cut.
 *
 * Numbers that overlap (the digits of an IBAN look like a card) count once, as the class of
 * highest rank; a number that lost still beats those below it, which keeps the rule local.
 *
 * Limits: values longer than LOOKBEHIND are counted by their head. PENDING_MAX values may overlap
 * one another's reach; more, which takes a text made for it, are counted in `errors`. One thread
 * at a time uses a db: Vectorscan's scratch space belongs to it.
 */
#include "dataclass.h"

#include <hs.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "dataclass_rules.h"

#define LOOKAHEAD 56
#define LOOKBEHIND (DATACLASS_SEAM - LOOKAHEAD)
#define RULES_MAX 128
#define PENDING_MAX 128
/* No value that Vectorscan reports later overlaps one that ended so far before. */
#define SETTLED 192
#define PIECE_MAX ((size_t)1 << 30)

_Static_assert(LOOKBEHIND >= 200, "rules reach 178 bytes before a value's end");

struct dataclass_db {
	hs_database_t *hs;
	hs_scratch_t *scratch;
	unsigned patterns;
	uint8_t first[RULES_MAX]; /* rule by pattern */
	uint8_t next[RULES_MAX];  /* further rules of the same pattern, 0xff = none */
};
#define NO_RULE 0xff

struct value {
	size_t start, end;
	uint8_t class, rank;
	bool numeric, lost;
};

struct scan {
	const struct dataclass_db *db;
	struct dataclass_scan *s;
	struct window w;
	uint64_t base; /* place of the window in the text */
	size_t lo, hi; /* values that end in (lo, hi] of the window count now */
	struct value pending[PENDING_MAX];
	size_t pending_n;
};

/* --- database ------------------------------------------------------------------------------- */

struct patterns {
	char text[RULES_MAX][256];
	const char *list[RULES_MAX];
	unsigned flags[RULES_MAX], ids[RULES_MAX];
};

/* Rules of equal writing share a pattern; all bare runs of digits share one. */
static bool add_rule(struct dataclass_db *db, struct patterns *ps, size_t i)
{
	const struct rule *r = &dataclass_rules[i];
	unsigned k = db->patterns;
	char *text = ps->text[k];
	int n = 1;

	if (r->shape && !dataclass_shape_regex(r->shape, text, sizeof(ps->text[k])))
		return false;
	if (!r->shape)
		n = snprintf(text, sizeof(ps->text[k]), "%s", r->digits ? "[0-9]{9}" : r->regex);
	if (n < 0 || (size_t)n >= sizeof(ps->text[k]))
		return false;
	for (unsigned j = 0; j < k; j++) {
		if (strcmp(ps->text[j], text))
			continue;
		db->next[i] = db->first[j];
		db->first[j] = i;
		return true;
	}
	db->next[i] = NO_RULE;
	db->first[k] = i;
	ps->list[k] = text;
	ps->ids[k] = k;
	ps->flags[k] = r->flags & RULE_CASELESS ? HS_FLAG_CASELESS : 0;
	db->patterns++;
	return true;
}

static bool compile(struct dataclass_db *db, struct patterns *ps, char *err, size_t err_len)
{
	hs_compile_error_t *e = NULL;

	for (size_t i = 0; i < dataclass_rules_n; i++) {
		if (dataclass_rules_n > RULES_MAX || !add_rule(db, ps, i)) {
			snprintf(err, err_len, "data classes: rule %zu does not fit", i);
			return false;
		}
	}
	if (hs_valid_platform() != HS_SUCCESS) {
		snprintf(err, err_len, "data classes: Vectorscan does not support this processor");
		return false;
	}
	if (hs_compile_multi(ps->list, ps->flags, ps->ids, db->patterns, HS_MODE_BLOCK, NULL,
			     &db->hs, &e) != HS_SUCCESS) {
		snprintf(err, err_len, "data classes: pattern %d: %s", e ? e->expression : -1,
			 e ? e->message : "cannot compile");
		hs_free_compile_error(e);
		return false;
	}
	if (hs_alloc_scratch(db->hs, &db->scratch) != HS_SUCCESS) {
		snprintf(err, err_len, "data classes: out of memory");
		return false;
	}
	return true;
}

struct dataclass_db *dataclass_db_new(char *ret_err, size_t err_len)
{
	struct dataclass_db *db = calloc(1, sizeof(*db));
	struct patterns *ps = calloc(1, sizeof(*ps));

	if (!db || !ps) {
		snprintf(ret_err, err_len, "data classes: out of memory");
		free(db);
		db = NULL;
	} else if (!compile(db, ps, ret_err, err_len)) {
		dataclass_db_free(db);
		db = NULL;
	}
	free(ps);
	/* Compiling needs some ten times what stays. */
	malloc_trim(0);
	return db;
}

void dataclass_db_free(struct dataclass_db *db)
{
	if (!db)
		return;
	hs_free_scratch(db->scratch);
	hs_free_database(db->hs);
	free(db);
}

/* --- one window ----------------------------------------------------------------------------- */

static void count(struct scan *x, const struct value *v)
{
	x->s->count[v->class]++;
	if (x->s->value)
		x->s->value(x->s->ctx, v->class, x->base + v->start, x->base + v->end);
}

static void settle(struct scan *x, size_t before)
{
	size_t kept = 0;

	for (size_t i = 0; i < x->pending_n; i++) {
		const struct value *v = &x->pending[i];

		if (v->end >= before)
			x->pending[kept++] = *v;
		else if (!v->lost && v->end > x->lo && v->end <= x->hi)
			count(x, v);
	}
	x->pending_n = kept;
}

/* Of one class the leftmost counts, of numbers the one of higher rank. */
static bool beats(const struct value *a, const struct value *b)
{
	if (a->class == b->class)
		return a->start != b->start ? a->start < b->start : a->end >= b->end;
	return a->rank != b->rank ? a->rank > b->rank : a->class < b->class;
}

static void add_value(struct scan *x, const struct rule *r, const struct span *at, size_t to)
{
	struct value v = {.start = at->start,
			  .end = at->end,
			  .class = r->class,
			  .rank = r->rank,
			  .numeric = r->flags & RULE_NUMERIC};

	for (size_t i = 0; i < x->pending_n; i++) {
		struct value *o = &x->pending[i];

		if (o->end <= v.start || v.end <= o->start ||
		    (o->class != v.class && !(o->numeric && v.numeric)))
			continue;
		if (beats(o, &v))
			v.lost = true;
		else
			o->lost = true;
	}
	if (x->pending_n == PENDING_MAX)
		settle(x, to > SETTLED ? to - SETTLED : 0);
	if (x->pending_n == PENDING_MAX) {
		x->s->errors++;
		return;
	}
	x->pending[x->pending_n++] = v;
}

static int on_match(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
		    void *ctx)
{
	struct scan *x = ctx;
	const struct dataclass_db *db = x->db;
	size_t run = 0;

	if (dataclass_rules[db->first[id]].digits) {
		run = dataclass_digit_run(&x->w, to);
		if (!run)
			return 0;
	}
	for (uint8_t i = db->first[id]; i != NO_RULE; i = db->next[i]) {
		const struct rule *r = &dataclass_rules[i];
		struct span at;

		if (r->digits == run && dataclass_confirm(r, &x->w, to, &at))
			add_value(x, r, &at, to);
	}
	return 0;
}

/* Window of n bytes at p, which is at `base` of the text; lo and hi are relative to it. */
static void scan_window(const struct dataclass_db *db, struct dataclass_scan *s, uint64_t base,
			const uint8_t *p, size_t n, size_t lo, size_t hi)
{
	struct scan x = {.db = db, .s = s, .w = {p, n}, .base = base, .lo = lo, .hi = hi};

	if (hi <= lo)
		return;
	if (hs_scan(db->hs, (const char *)p, n, 0, db->scratch, on_match, &x) != HS_SUCCESS)
		s->errors++;
	settle(&x, SIZE_MAX);
}

/* --- the text ------------------------------------------------------------------------------- */

void dataclass_begin(struct dataclass_scan *s)
{
	memset(s, 0, sizeof(*s));
}

static size_t back(size_t n)
{
	return n > LOOKAHEAD ? n - LOOKAHEAD : 0;
}

static void keep_seam(struct dataclass_scan *s, const uint8_t *p, size_t n)
{
	size_t keep = n < DATACLASS_SEAM ? DATACLASS_SEAM - n : 0;

	if (keep > s->seam_len)
		keep = s->seam_len;
	memmove(s->seam, s->seam + s->seam_len - keep, keep);
	if (n > DATACLASS_SEAM) {
		p += n - DATACLASS_SEAM;
		n = DATACLASS_SEAM;
	}
	memcpy(s->seam + keep, p, n);
	s->seam_len = keep + n;
}

static void feed(const struct dataclass_db *db, struct dataclass_scan *s, const uint8_t *p,
		 size_t n)
{
	uint8_t both[2 * DATACLASS_SEAM];
	size_t head = n < DATACLASS_SEAM ? n : DATACLASS_SEAM;

	/* What lies over the seam, then what lies in the piece. */
	memcpy(both, s->seam, s->seam_len);
	memcpy(both + s->seam_len, p, head);
	scan_window(db, s, s->bytes - s->seam_len, both, s->seam_len + head, back(s->seam_len),
		    back(s->seam_len + head));
	explicit_bzero(both, s->seam_len + head);
	if (n > head)
		scan_window(db, s, s->bytes, p, n, back(head), back(n));
	keep_seam(s, p, n);
	s->bytes += n;
}

void dataclass_feed(const struct dataclass_db *db, struct dataclass_scan *s, const uint8_t *p,
		    size_t n)
{
	for (size_t k; n > 0; p += k, n -= k) {
		k = n < PIECE_MAX ? n : PIECE_MAX;
		feed(db, s, p, k);
	}
}

void dataclass_end(const struct dataclass_db *db, struct dataclass_scan *s)
{
	scan_window(db, s, s->bytes - s->seam_len, s->seam, s->seam_len, back(s->seam_len),
		    s->seam_len);
	explicit_bzero(s->seam, sizeof(s->seam));
	s->seam_len = 0;
}

void dataclass_peek(const struct dataclass_db *db, const struct dataclass_scan *s,
		    dataclass_value_fn *value, void *ctx)
{
	struct dataclass_scan copy = *s;

	copy.value = value;
	copy.ctx = ctx;
	dataclass_end(db, &copy);
}
