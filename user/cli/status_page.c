// SPDX-License-Identifier: Apache-2.0
/*
 * JSON in, a page out. Invariant: any JSON object gives a page; what is missing is left out and what
 * has another type is ignored, for agent and CLI may be of two versions. All texts are made
 * printable: paths of libraries come from the observed programs.
 */
#include "status_page.h"

#include <inttypes.h>
#include <string.h>

#include "columns.h"
#include "record/printable.h"

#define LABEL "  %-14s "

struct page {
	FILE *f;
	bool colour;
};

const json_t *status_get(const json_t *o, const char *path)
{
	char key[48];

	for (const char *p = path; o && *p;) {
		size_t n = strcspn(p, ".");

		snprintf(key, sizeof(key), "%.*s", (int)n, p);
		o = json_object_get(o, key);
		p += n + (p[n] == '.');
	}
	return o;
}

const char *status_text(const json_t *o, const char *path)
{
	const char *s = json_string_value(status_get(o, path));

	return s ?: "";
}

int64_t status_number(const json_t *o, const char *path, int64_t otherwise)
{
	const json_t *v = status_get(o, path);

	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

uint64_t status_sum(const json_t *o)
{
	const char *key;
	json_t *v;
	uint64_t sum = 0;

	json_object_foreach((json_t *)o, key,
			    v) if (json_is_integer(v) && json_integer_value(v) > 0) sum +=
		json_integer_value(v);
	return sum;
}

static void put(FILE *f, const char *s)
{
	char b[1024];

	printable_copy(b, sizeof(b), s);
	fputs(b, f);
}

static void group(const struct page *p, const char *name)
{
	fputc('\n', p->f);
	style_on(p->f, BOLD, p->colour);
	fputs(name, p->f);
	style_off(p->f, BOLD, p->colour);
	fputc('\n', p->f);
}

static void line(const struct page *p, const char *label, const char *text)
{
	if (!*text)
		return;
	fprintf(p->f, LABEL, label);
	put(p->f, text);
	fputc('\n', p->f);
}

/* In how long it was ready, and what of it took longest. */
static void started(const struct page *p, const json_t *o)
{
	const json_t *row, *most = NULL;
	size_t i;

	json_array_foreach(status_get(o, "phases"), i, row)
	{
		if (!most || json_number_value(status_get(row, "ms")) >
				     json_number_value(status_get(most, "ms")))
			most = row;
	}
	if (!most)
		return;
	fprintf(p->f, LABEL "%.0f ms", "ready in", json_number_value(status_get(o, "ready")));
	fputs(", most of it ", p->f);
	put(p->f, status_text(most, "phase"));
	fprintf(p->f, " %.0f ms; computing %.0f ms\n", json_number_value(status_get(most, "ms")),
		json_number_value(status_get(o, "cpu")) +
			json_number_value(status_get(o, "roles_cpu")));
}

static void top(const struct page *p, const json_t *s, uint64_t now_ns)
{
	int64_t since = status_number(s, "since_unix_ns", 0);
	char up[24], when[32];

	style_on(p->f, BOLD, p->colour);
	fputs("probityd", p->f);
	style_off(p->f, BOLD, p->colour);
	fputs(" is running\n", p->f);
	line(p, "version", status_text(s, "version"));
	line(p, "host", status_text(s, "host"));
	line(p, "kernel", status_text(s, "kernel"));
	line(p, "mode", status_text(s, "mode"));
	if (status_number(s, "pid", 0))
		fprintf(p->f, LABEL "%" PRId64 "\n", "pid", status_number(s, "pid", 0));
	if (since > 0) {
		time_local(since, TIME_DATE, when);
		text_duration((uint64_t)since < now_ns ? (now_ns - since) / 1000000000 : 0, up);
		fprintf(p->f, LABEL "%s (%s)\n", "since", when, up);
	}
	started(p, status_get(s, "start_ms"));
}

static void policy(const struct page *p, const json_t *s)
{
	const json_t *o = status_get(s, "policy");
	const char *err = status_text(o, "last_error");

	if (!json_is_object(o))
		return;
	group(p, "Policy");
	fprintf(p->f, LABEL, "pack");
	put(p->f, status_text(o, "set"));
	fputc(' ', p->f);
	put(p->f, status_text(o, "version"));
	fprintf(p->f, ", generation %" PRId64 "\n", status_number(o, "generation", 0));
	line(p, "sha256", status_text(o, "sha256"));
	line(p, "mode", status_text(o, "mode"));
	fprintf(p->f, LABEL "%" PRId64 ", %" PRId64 " of them decided in the kernel\n", "rules",
		status_number(o, "rules", 0), status_number(o, "kernel_rules", 0));
	style_on(p->f, BAD, p->colour && *err);
	line(p, "refused", err);
	style_off(p->f, BAD, p->colour && *err);
}

static void spool(const struct page *p, const json_t *o)
{
	char used[16], most[16];

	text_size(status_number(o, "bytes", 0), used);
	text_size(status_number(o, "max_bytes", 0), most);
	line(p, "spool", status_text(o, "dir"));
	fprintf(p->f, LABEL "%s of %s, %" PRId64 " segments, seq %" PRId64 " to %" PRId64 "\n", "",
		used, most, status_number(o, "segments", 0), status_number(o, "first_seq", 0),
		status_number(o, "last_seq", 0));
}

static void forward(const struct page *p, const json_t *o)
{
	int64_t lag = status_number(o, "lag_records", 0);
	const char *err = status_text(o, "last_error");

	fprintf(p->f, LABEL, "forward");
	put(p->f, *status_text(o, "state") ? status_text(o, "state") : "state not told");
	if (*status_text(o, "target")) {
		fputs(" to ", p->f);
		put(p->f, status_text(o, "target"));
	}
	if (status_get(o, "acked_seq"))
		fprintf(p->f, ", acked %" PRId64, status_number(o, "acked_seq", 0));
	style_on(p->f, WARN, p->colour && lag);
	fprintf(p->f, ", %" PRId64 " behind", lag);
	style_off(p->f, WARN, p->colour && lag);
	fputc('\n', p->f);
	style_on(p->f, WARN, p->colour && *err);
	line(p, "", err);
	style_off(p->f, WARN, p->colour && *err);
}

static void epoch(const struct page *p, const json_t *o)
{
	int64_t due = status_number(o, "seal_due_s", 0);
	char left[24];

	text_duration(due < 0 ? 0 - (uint64_t)due : (uint64_t)due, left);
	fprintf(p->f, LABEL "%" PRId64 " since seq %" PRId64 ", ", "epoch",
		status_number(o, "epoch", 0), status_number(o, "first_seq", 0));
	style_on(p->f, WARN, p->colour && due < 0);
	fprintf(p->f, due < 0 ? "its seal is overdue by %s" : "sealed in %s", left);
	style_off(p->f, WARN, p->colour && due < 0);
	fputc('\n', p->f);
}

static void witness(const struct page *p, const json_t *f, uint64_t now_ns)
{
	const json_t *o = status_get(f, "witness");
	int64_t size = status_number(o, "size", 0), at = status_number(o, "unix_s", 0);
	const char *finding = status_text(o, "finding");
	char age[24];

	if (!json_is_object(o) || !strcmp(status_text(f, "state"), "off"))
		return;
	fprintf(p->f, LABEL, "witness");
	if (size) {
		text_duration((uint64_t)at < now_ns / 1000000000 ? now_ns / 1000000000 - at : 0,
			      age);
		fprintf(p->f, "the first %" PRId64 " records, %s ago, %" PRId64 " behind", size,
			age, status_number(o, "lag_records", 0));
	} else {
		fputs("nothing cosigned yet", p->f);
	}
	fputs(", key: ", p->f);
	put(p->f, *status_text(o, "key") ? status_text(o, "key") : "not told");
	fputs(json_is_true(status_get(f, "seed_held")) ? "; it has the MAC seed\n"
						       : "; it has no MAC seed yet\n",
	      p->f);
	style_on(p->f, BAD, p->colour && *finding);
	line(p, "", finding);
	style_off(p->f, BAD, p->colour && *finding);
}

/* "cause 12, cause 3" of the non-zero ones; "none" when there is none. */
static void counts(const struct page *p, const char *label, const json_t *o)
{
	const char *key;
	json_t *v;
	size_t k = 0;

	if (!json_is_object(o))
		return;
	fprintf(p->f, LABEL, label);
	style_on(p->f, status_sum(o) ? WARN : GOOD, p->colour);
	json_object_foreach((json_t *)o, key, v)
	{
		if (!json_is_integer(v) || !json_integer_value(v))
			continue;
		fputs(k++ ? ", " : "", p->f);
		put(p->f, key);
		fprintf(p->f, " %" JSON_INTEGER_FORMAT, json_integer_value(v));
	}
	fputs(k ? "" : "none", p->f);
	style_off(p->f, status_sum(o) ? WARN : GOOD, p->colour);
	fputc('\n', p->f);
}

/* In the clear or not, and whether a TPM signs checkpoints, or why it does not. */
static void keys(const struct page *p, const json_t *o)
{
	const char *state = status_text(o, "tpm.state");
	bool bad = *state && strcmp(state, "signs");

	if (!json_is_object(o))
		return;
	fprintf(p->f, LABEL, "keys");
	put(p->f, status_text(o, "kept"));
	if (*state)
		fputs(" + tpm", p->f);
	style_on(p->f, BAD, p->colour && bad);
	if (bad) {
		fputs(", which does not sign: ", p->f);
		put(p->f, state);
		fputs(": ", p->f);
		put(p->f, status_text(o, "tpm.why"));
	}
	style_off(p->f, BAD, p->colour && bad);
	if (*state)
		fprintf(p->f, "; %" PRId64 " checkpoints with its signature, %" PRIu64 " without",
			status_number(o, "tpm.lines", 0), status_sum(status_get(o, "tpm.missing")));
	fputc('\n', p->f);
}

static void recorder(const struct page *p, const json_t *s, uint64_t now_ns)
{
	const json_t *o = status_get(s, "recorder");

	if (!json_is_object(o))
		return;
	group(p, "Evidence");
	line(p, "chain", status_text(o, "chain"));
	line(p, "key id", status_text(o, "key_id"));
	if (status_get(o, "seq"))
		fprintf(p->f, LABEL "%" PRId64 ", durable up to %" PRId64 "\n", "seq",
			status_number(o, "seq", -1), status_number(o, "synced_seq", -1));
	if (json_is_object(status_get(o, "spool")))
		spool(p, status_get(o, "spool"));
	if (json_is_object(status_get(o, "forward")))
		forward(p, status_get(o, "forward"));
	if (json_is_object(status_get(o, "epoch")))
		epoch(p, status_get(o, "epoch"));
	keys(p, status_get(o, "keys"));
	witness(p, status_get(o, "forward"), now_ns);
	counts(p, "lost", status_get(o, "lost"));
}

/* Scalars of an object of which this version knows no layout: "key value". */
static void worker(const struct page *p, const json_t *s)
{
	const json_t *o = status_get(s, "worker");
	const char *key;
	json_t *v;

	if (json_object_size(o))
		group(p, "Worker");
	json_object_foreach((json_t *)o, key, v)
	{
		_cleanup_free_ char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		char name[40];

		printable_copy(name, sizeof(name), key);
		line(p, name, json_string_value(v) ?: text ?: "");
	}
}

static void cell_text(char *dst, size_t cap, const json_t *v, bool indent)
{
	if (indent) {
		memcpy(dst, "  ", 3);
		dst += 2;
		cap -= 2;
	}
	printable_copy(dst, cap, json_string_value(v));
	if (json_is_integer(v))
		snprintf(dst, cap, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
	if (json_is_boolean(v))
		snprintf(dst, cap, json_is_true(v) ? "yes" : "no");
}

/* A row per object of an array, the columns named by keys; a cell may be text or number. */
static void rows(const struct page *p, const json_t *list, const struct column *c,
		 const char *const *keys, size_t n)
{
	_cleanup_(table_freep) struct table *t = table_new(c, n, 0, p->colour, p->f);
	json_t *o;
	size_t i;

	json_array_foreach((json_t *)list, i, o)
	{
		char cell[COLUMNS_MAX][512];
		const char *cells[COLUMNS_MAX];
		enum style styles[COLUMNS_MAX] = {PLAIN};

		for (size_t k = 0; k < n; k++) {
			cells[k] = cell[k];
			cell_text(cell[k], sizeof(cell[k]), json_object_get(o, keys[k]), !k);
			if (!strcmp(keys[k], "state"))
				styles[k] = !strcmp(cell[k], "yes") ? GOOD : WARN;
		}
		if (t)
			table_row(t, cells, n, styles, NULL);
	}
	if (t)
		table_flush(t);
}

/* Adaptive or for all; who has probes and why; what the resolver had to do, and what it refused. */
static void probes(const struct page *p, const json_t *s)
{
	static const struct column process[] = {{"  PID", 5, 12, 0, false},
						{"NAME", 4, 20, 0, false},
						{"PROBES", 6, 10, 0, false},
						{"WHY", 3, 12, 0, false},
						{"REASON", 6, 80, 0, false}};
	static const char *const process_keys[] = {"pid", "name", "probes", "why", "reason"};
	static const struct column refused[] = {{"  FILE REFUSED", 14, 120, 0, false},
						{"REASON", 6, 120, 0, false}};
	static const char *const refused_keys[] = {"path", "reason"};
	const json_t *o = status_get(s, "probes"), *r = status_get(o, "resolver");

	if (!json_is_object(o))
		return;
	group(p, "Probes");
	line(p, "attach", status_text(o, "attach"));
	fprintf(p->f,
		LABEL "%" PRId64 " with probes, %" PRId64 " of them on probation; %" PRId64
		      " talk to AI; removed from %" PRId64 "\n",
		"processes", status_number(o, "with_probes", 0),
		status_number(o, "on_probation", 0), status_number(o, "ai", 0),
		status_number(o, "removed", 0));
	fprintf(p->f,
		LABEL "%" PRId64 " files remembered, %" PRId64 " asked, %" PRId64
		      " with TLS, %" PRId64 " refused, %" PRId64 " waited for, longest %" PRId64
		      " ms\n",
		"resolver", status_number(r, "remembered", 0), status_number(r, "asked", 0),
		status_number(r, "with_tls", 0), status_number(r, "refused", 0),
		status_number(r, "waited_for", 0), status_number(r, "longest_ms", 0));
	line(p, "looking at", status_text(r, "in_hand"));
	fprintf(p->f, LABEL "%" PRId64 " files, changes by ", "looked ahead",
		status_number(s, "prescan.files", 0));
	put(p->f, status_text(s, "prescan.changes"));
	fputc('\n', p->f);
	if (json_array_size(status_get(o, "processes")))
		rows(p, status_get(o, "processes"), process, process_keys, 5);
	if (json_array_size(status_get(o, "refused_files")))
		rows(p, status_get(o, "refused_files"), refused, refused_keys, 2);
}

static void lists(const struct page *p, const json_t *s)
{
	static const struct column feature[] = {{"  FEATURE", 9, 40, 0, false},
						{"STATE", 5, 12, 0, false},
						{"NOTE", 4, 200, 0, false}};
	static const struct column backend[] = {{"  FOR", 5, 40, 0, false},
						{"BACKEND", 7, 40, 0, false},
						{"NOTE", 4, 200, 0, false}};
	static const struct column library[] = {
		{"  LIBRARY", 9, 120, 0, false}, {"STACK", 5, 40, 0, false},
		{"SITES", 5, 8, 0, true},	 {"PROCS", 5, 8, 0, true},
		{"CALLS", 5, 12, 0, true},	 {"BYTES", 5, 16, 0, true},
		{"SILENT", 6, 8, 0, true},	 {"LATE", 4, 8, 0, true}};
	static const char *const feature_keys[] = {"name", "state", "note"};
	static const char *const backend_keys[] = {"for", "backend", "note"};
	static const char *const library_keys[] = {"path",    "stack", "sites",	 "processes",
						   "entries", "bytes", "silent", "late"};

	if (json_array_size(status_get(s, "backends"))) {
		group(p, "Backends in force");
		rows(p, status_get(s, "backends"), backend, backend_keys, 3);
	}
	if (json_array_size(status_get(s, "features"))) {
		group(p, "Kernel features");
		rows(p, status_get(s, "features"), feature, feature_keys, 3);
	}
	if (json_is_array(status_get(s, "libraries"))) {
		group(p, "Files with TLS");
		rows(p, status_get(s, "libraries"), library, library_keys, 8);
	}
}

void status_page(const json_t *status, uint64_t now_ns, bool colour, FILE *f)
{
	const struct page p = {f, colour};

	top(&p, status, now_ns);
	policy(&p, status);
	recorder(&p, status, now_ns);
	if (json_is_object(status_get(status, "drops"))) {
		group(&p, "Capture");
		counts(&p, "drops", status_get(status, "drops"));
	}
	worker(&p, status);
	probes(&p, status);
	lists(&p, status);
}
