// SPDX-License-Identifier: Apache-2.0
/*
 * probity report FRAMEWORK: reads what is declared, then all records once, and writes index.html and
 * report.json. What is declared is read first: a fault in it is told before the long part begins.
 * Nothing is written when anything could not be read.
 */
#include <errno.h>
#include <string.h>

#include "base/fs.h"
#include "cli.h"
#include "cmd.h"
#include "record/printable.h"
#include "report/doc.h"
#include "report/page.h"
#include "report/read.h"
#include "text.h"

struct report {
	const char *from, *to, *host, *system, *soa_file, *systems_file, *db, *dirs, *out,
		*state_dir;
	uint64_t from_ns, to_ns;
	struct framework *fw;
	struct soa *soa;
	struct systems *systems;
	struct tally *t;
	struct inclusion_source **proofs; /* of each source */
};

static void report_done(struct report *r)
{
	for (size_t i = 0; r->proofs && i < r->t->sources; i++)
		inclusion_close(r->proofs[i]);
	free(r->proofs);
	tally_free(r->t);
	systems_free(r->systems);
	soa_free(r->soa);
	framework_free(r->fw);
}

static int complain(const char *err, int code)
{
	char shown[700];

	printable_copy(shown, sizeof(shown), err);
	fprintf(stderr, "probity report: %s\n", shown);
	return code;
}

/* --- what is declared ---------------------------------------------------------------------------- */

static int load(const char *path, char **ret, size_t *ret_n)
{
	int r = fs_read(path, FORM_FILE_MAX, ret, ret_n);

	return r ? cli_unreadable(path, -r) : CLI_OK;
}

static int declared(struct report *r)
{
	_cleanup_free_ char *soa = NULL, *reg = NULL;
	char err[640];
	size_t n = 0;
	int k = CLI_OK;

	if (r->soa_file)
		k = load(r->soa_file, &soa, &n);
	if (!k && soa && soa_parse(r->soa_file, soa, n, r->fw, &r->soa, err, sizeof(err)))
		return complain(err, CLI_NEGATIVE);
	if (!k && r->systems_file)
		k = load(r->systems_file, &reg, &n);
	if (!k && reg && systems_parse(r->systems_file, reg, n, &r->systems, err, sizeof(err)))
		return complain(err, CLI_NEGATIVE);
	return k;
}

/* --- what was observed ---------------------------------------------------------------------------- */

static int open_proofs(struct report *r)
{
	r->proofs = calloc(r->t->sources, sizeof(struct inclusion_source *));
	if (!r->proofs)
		return -ENOMEM;
	for (size_t i = 0; i < r->t->sources; i++)
		if (inclusion_open(r->t->source[i].name, &r->proofs[i]))
			r->proofs[i] = NULL;
	return 0;
}

static int read_dirs(struct report *r, char *err, size_t n)
{
	_cleanup_free_ char *list = strdup(r->dirs);
	char *dir, *save = NULL;
	int k = list ? 0 : -ENOMEM;

	for (dir = list ? strtok_r(list, ":", &save) : NULL; dir && !k;
	     dir = strtok_r(NULL, ":", &save))
		k = read_dir(r->t, dir, r->host, err, n);
	return k;
}

static void progress(void *ctx, uint64_t records)
{
	fprintf(stderr, "\r%llu records\033[K", (unsigned long long)records);
}

static int observed(struct report *r)
{
	struct tally_options o = {.from_ns = r->from_ns,
				  .to_ns = r->to_ns,
				  .framework = r->fw,
				  .systems = r->systems,
				  .tick = cli_width(stderr) ? progress : NULL};
	char err[700] = "", dir[3800];
	int k;

	if (r->system) {
		o.only = r->systems ? systems_find(r->systems, r->system) : NULL;
		if (!o.only)
			return complain("--system: no such system in the register", CLI_NEGATIVE);
	}
	k = tally_new(&o, &r->t);
	snprintf(dir, sizeof(dir), "%s/spool", r->state_dir);
	if (k)
		return complain(strerror(-k), CLI_UNREACHABLE);
	if (r->db)
		k = read_db(r->t, r->db, r->host, err, sizeof(err));
	else if (r->dirs)
		k = read_dirs(r, err, sizeof(err));
	else
		k = read_dir(r->t, dir, r->host, err, sizeof(err));
	if (o.tick)
		fputs("\r\033[K", stderr);
	if (k)
		return complain(err, CLI_UNREACHABLE);
	if (!r->t->sources)
		return complain("--host: no host of that name among the records", CLI_NEGATIVE);
	if (!r->db && open_proofs(r))
		return complain(strerror(ENOMEM), CLI_UNREACHABLE);
	return CLI_OK;
}

/* --- the files ------------------------------------------------------------------------------------ */

static int put(const char *dir, const char *name, const void *p, size_t n)
{
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	r = fs_write_atomic(path, p, n, 0644);
	return r ? cli_unreadable(path, -r) : CLI_OK;
}

static int write_out(const struct report *r, json_t *doc)
{
	_cleanup_free_ char *html = NULL, *json = NULL, *safe = NULL;
	size_t n = 0;
	int k = page_build(doc, &html, &n);

	json = json_dumps(doc, JSON_INDENT(1));
	safe = json ? json_printable(json) : NULL;
	if (k || !safe)
		return complain(strerror(ENOMEM), CLI_UNREACHABLE);
	k = fs_mkdirs(r->out, 0755);
	if (k)
		return cli_unreadable(r->out, -k);
	return put(r->out, "report.json", safe, strlen(safe)) ?: put(r->out, "index.html", html, n);
}

static int make(struct report *r)
{
	struct doc_options o = {.t = r->t,
				.soa = r->soa,
				.soa_file = r->soa_file,
				.systems_file = r->systems_file,
				.hosts = r->host,
				.generated_ns = time_now(),
				.proofs = r->proofs};
	json_t *doc, *findings;
	int k = doc_build(&o, &doc);
	size_t high = 0;

	if (k)
		return complain(strerror(-k), CLI_UNREACHABLE);
	k = write_out(r, doc);
	findings = json_object_get(doc, "findings");
	for (size_t i = 0; i < json_array_size(findings); i++)
		high += !strcmp(page_str(json_array_get(findings, i), "severity"), "high");
	if (!k)
		printf("%s/index.html\n%llu records of %zu host%s, %zu findings (%zu high)\n",
		       r->out, (unsigned long long)r->t->in_period, r->t->sources,
		       r->t->sources == 1 ? "" : "s", json_array_size(findings), high);
	json_decref(doc);
	return k;
}

/* --- the command line ------------------------------------------------------------------------------ */

static int bounds(const struct cli_usage *u, struct report *r)
{
	uint64_t now = time_now();

	r->to_ns = now;
	if (r->to && !time_parse(r->to, now, &r->to_ns))
		return cli_wrong(u, "--to: '%s' is no time", r->to);
	if (!r->from)
		return cli_wrong(u, "--from is missing: since when?");
	if (!time_parse(r->from, now, &r->from_ns))
		return cli_wrong(u, "--from: '%s' is no time", r->from);
	if (r->from_ns >= r->to_ns)
		return cli_wrong(u, "--from is not before --to");
	if (!r->out)
		return cli_wrong(u, "-o is missing: which folder?");
	if (r->db && r->dirs)
		return cli_wrong(u, "--db and --dir: one of them");
	if (r->system && !r->systems_file)
		return cli_wrong(u, "--system needs --register");
	return -1;
}

static int run(const struct cli_usage *u, struct report *r, const char *name)
{
	char err[320];
	int k = framework_builtin(name, &r->fw, err, sizeof(err));

	if (k == -ENOENT)
		return cli_wrong(u, "no framework '%s'; iso42001, eu-ai-act or nist-ai-rmf", name);
	if (k)
		return complain(err, CLI_UNREACHABLE);
	if (r->soa_file && !r->fw->soa)
		return cli_wrong(u, "--soa belongs to iso42001");
	k = declared(r);
	k = k ?: observed(r);
	return k ?: make(r);
}

int cmd_report(int argc, char **argv)
{
	_cleanup_(report_done) struct report r = {.state_dir = CLI_STATE_DIR};
	const struct cli_option options[] = {
		{"from", 'f', CLI_TEXT, &r.from, "TIME",
		 "records sealed at or after: 30d, 2026-11-01, RFC 3339"},
		{"to", 't', CLI_TEXT, &r.to, "TIME", "and before (default: now)"},
		{"host", 'H', CLI_TEXT, &r.host, "GLOB", "only hosts of that name"},
		{"system", 'S', CLI_TEXT, &r.system, "NAME",
		 "only use that belongs to a system of the register"},
		{"register", 'r', CLI_TEXT, &r.systems_file, "FILE",
		 "the register of AI systems, YAML"},
		{"soa", 'a', CLI_TEXT, &r.soa_file, "FILE",
		 "the Statement of Applicability, YAML (iso42001)"},
		{"db", 0, CLI_TEXT, &r.db, "FILE", "records of a collector's store"},
		{"dir", 0, CLI_TEXT, &r.dirs, "DIR[:DIR]", "records of spool folders"},
		{"output", 'o', CLI_TEXT, &r.out, "DIR", "where index.html and report.json go"},
		CLI_OPT_STATE_DIR(&r.state_dir),
		{0},
	};
	const struct cli_usage u = {
		"report",
		"iso42001|eu-ai-act|nist-ai-rmf",
		"Writes a report for management and auditors from sealed records: a page and the same\n"
		"numbers as JSON.",
		options,
		"Exit code 0: written; what speaks against the host is in it. 1: a register or statement is\n"
		"wrong, named by file, line and field. 3: something cannot be read or written.",
	};
	int first, k = cli_options(&u, argc, argv, &first);

	if (k >= 0)
		return k;
	if (first + 1 != argc)
		return cli_wrong(&u, "takes one framework: iso42001, eu-ai-act or nist-ai-rmf");
	k = bounds(&u, &r);
	return k >= 0 ? k : run(&u, &r, argv[first]);
}
