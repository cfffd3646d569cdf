// SPDX-License-Identifier: Apache-2.0
/*
 * Records in one at a time, events of the asked format out, a line each (CSV: a row). OTLP events are
 * gathered into requests of at most OTLP_BATCH of one chain, which are a line of the file or a POST. Memory
 * is bounded by one batch. What a format has nothing for is counted, never passed over in silence: the
 * summary on stderr says how many records were read, written, and without an event. Exit code 1 when
 * something was damaged or a receiver rejected something.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "cli.h"
#include "export/export.h"
#include "export_cmd.h"
#include "export_post.h"
#include "export_source.h"
#include "record/printable.h"

#define OTLP_BATCH 256

struct views {
	const struct export_ask *ask;
	const struct view *view;
	FILE *f;
	struct export_post *post;
	struct export_context context;
	json_t *logs, *spans;
	uint64_t read, written, without, unread, rejected;
	char err[256];
};
struct view {
	const char *name;
	int (*head)(FILE *f);
	int (*record)(struct views *v, const struct sealed *s);
	int (*flush)(struct views *v);
};

static int line(struct views *v, json_t *o)
{
	int r = o ? cli_print_json(o, true, v->f) : -ENOMEM;

	v->written += !r;
	return r;
}

static int made(struct views *v, int r, json_t *o)
{
	if (r == -ENODATA) {
		v->without++;
		return 0;
	}
	return r ?: line(v, o);
}

static int view_json(struct views *v, const struct sealed *s)
{
	return line(v, render_json(s));
}

static int view_ocsf(struct views *v, const struct sealed *s)
{
	json_t *o = NULL;
	int r = export_ocsf(&v->context, s, &o);

	return made(v, r, o);
}

static int view_cloudevents(struct views *v, const struct sealed *s)
{
	json_t *o = NULL;
	int r = export_cloudevent(&v->context, s, &o);

	return made(v, r, o);
}

static int view_csv(struct views *v, const struct sealed *s)
{
	int r = export_csv_row(v->f, &v->context, s);

	v->written += !r;
	return r;
}

static int otlp_out(struct views *v, enum otlp_signal what, json_t **items)
{
	_cleanup_free_ char *body = NULL;
	size_t n = json_array_size(*items);
	json_t *o = NULL;
	int r;

	if (!n)
		return 0;
	r = export_otlp_request(&v->context, what, TAKE_PTR(*items), &o);
	*items = json_array();
	if (r || !*items) {
		json_decref(o);
		return -ENOMEM;
	}
	if (!v->post) {
		r = cli_print_json(o, true, v->f);
	} else {
		body = json_dumps(o, JSON_COMPACT);
		json_decref(o);
		r = !body ? -ENOMEM
			  : export_post_send(v->post, what == OTLP_LOGS ? "/v1/logs" : "/v1/traces",
					     body, &v->rejected, v->err, sizeof(v->err));
	}
	v->written += r || what == OTLP_SPANS ? 0 : n;
	return r;
}

static int otlp_flush(struct views *v)
{
	int r = otlp_out(v, OTLP_LOGS, &v->logs);

	return r ?: otlp_out(v, OTLP_SPANS, &v->spans);
}

static int view_otlp(struct views *v, const struct sealed *s)
{
	json_t *o = NULL;
	int r = export_otlp_log(&v->context, s, &o);

	if (!r && json_array_append_new(v->logs, o))
		r = -ENOMEM;
	if (r)
		return r;
	r = export_otlp_span(&v->context, s, &o);
	if (r == -ENODATA)
		r = 0;
	else if (!r && json_array_append_new(v->spans, o))
		r = -ENOMEM;
	return r ?: json_array_size(v->logs) >= OTLP_BATCH ? otlp_flush(v) : 0;
}

static const struct view views[] = {
	{"json", NULL, view_json, NULL},	  {"ocsf", NULL, view_ocsf, NULL},
	{"otlp", NULL, view_otlp, otlp_flush},	  {"cloudevents", NULL, view_cloudevents, NULL},
	{"csv", export_csv_head, view_csv, NULL},
};

static const struct view *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(views); i++)
		if (!strcmp(views[i].name, name))
			return &views[i];
	return NULL;
}

bool export_view_known(const char *format)
{
	return find(format);
}

static int take(void *ctx, const struct frame *f)
{
	_cleanup_sealed_ struct sealed s = {0};
	struct views *v = ctx;
	const char *why;

	v->read++;
	if (sealed_open(f->record, f->record_len, f->sig, &s, &why)) {
		v->unread++;
		return 0;
	}
	/* A request names one resource: what was gathered of another chain goes first. */
	if (v->view->flush && v->context.chain_known &&
	    memcmp(v->context.chain, s.head.chain, sizeof(s.head.chain))) {
		int r = v->view->flush(v);

		if (r)
			return r;
	}
	export_see(&v->context, &s);
	if (s.head.wall_ns < v->ask->from_ns || (v->ask->to_ns && s.head.wall_ns >= v->ask->to_ns))
		return 0;
	return v->view->record(v, &s);
}

static int idle(void *ctx)
{
	struct views *v = ctx;
	int r = v->view->flush ? v->view->flush(v) : 0;

	if (!r && v->f && fflush(v->f))
		r = -errno;
	return r;
}

static int open_out(struct views *v)
{
	const struct export_ask *a = v->ask;

	if (a->endpoint)
		return export_post_open(a->endpoint, a->header, &v->post, v->err, sizeof(v->err));
	if (!a->out || !strcmp(a->out, "-")) {
		v->f = stdout;
		return 0;
	}
	umask(077); /* records name people */
	v->f = fopen(a->out, "we");
	if (!v->f)
		snprintf(v->err, sizeof(v->err), "%s: %s", a->out, strerror(errno));
	return v->f ? 0 : -EIO;
}

static int finish(struct views *v, int r)
{
	bool file = v->f && v->f != stdout;

	if (v->f && fflush(v->f) && !r)
		r = -errno;
	if (file && fsync(fileno(v->f)) && !r)
		r = -errno;
	if (file && fclose(v->f) && !r)
		r = -errno;
	export_post_free(v->post);
	json_decref(v->logs);
	json_decref(v->spans);
	return r;
}

/* The spool's newest checkpoint names the host, where no START record is at hand. */
static void host_from_checkpoint(struct views *v, const char *dir)
{
	char path[4096], line_[512] = "", *slash;
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(path, sizeof(path), "%s/checkpoint", dir);
	f = fopen(path, "re");
	if (!f || !fgets(line_, sizeof(line_), f) || !(slash = strrchr(line_, '/')))
		return;
	*slash = '\0';
	slash = strrchr(line_, '/');
	printable_copy(v->context.host, sizeof(v->context.host), slash ? slash + 1 : line_);
}

int export_views(const struct export_ask *a)
{
	struct views v = {.ask = a,
			  .view = find(a->format ?: "json"),
			  .logs = json_array(),
			  .spans = json_array()};
	struct export_source s = {.dir = a->dir,
				  .db = a->db,
				  .chain = a->chain,
				  .follow = a->follow,
				  .record = take,
				  .idle = idle,
				  .ctx = &v};
	char safe[512], err[256] = "";
	int r = v.logs && v.spans ? open_out(&v) : -ENOMEM;

	if (!r && v.view->head && v.f)
		r = v.view->head(v.f);
	if (!r && !a->db)
		host_from_checkpoint(&v, a->dir);
	if (!r)
		r = export_source_run(&s, err, sizeof(err));
	r = finish(&v, r);
	if (r < 0) {
		printable_copy(safe, sizeof(safe), v.err[0] ? v.err : err[0] ? err : strerror(-r));
		fprintf(stderr, "probity export: %s\n", safe);
		return CLI_UNREACHABLE;
	}
	fprintf(stderr, "%" PRIu64 " records read, %" PRIu64 " written as %s", v.read, v.written,
		v.view->name);
	if (v.without)
		fprintf(stderr, ", %" PRIu64 " have no event in this format", v.without);
	if (v.rejected)
		fprintf(stderr, ", %" PRIu64 " REJECTED by the receiver", v.rejected);
	if (v.unread + s.damaged)
		fprintf(stderr, ", %" PRIu64 " DAMAGED: run probity verify", v.unread + s.damaged);
	fputc('\n', stderr);
	return v.rejected || v.unread || s.damaged ? CLI_NEGATIVE : CLI_OK;
}
