// SPDX-License-Identifier: Apache-2.0
/*
 * probity tls FILE...: which TLS functions a file has, where, how they were recognised and why; what
 * the agent's resolver would attach to. probity tls --selftest [DIR]: do the signatures hold? Exit
 * code 1: no function in some file, or a test that does not hold; 3: a file cannot be read.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "cli.h"
#include "cmd.h"
#include "columns.h"
#include "proto/event.h"
#include "record/printable.h"
#include "tls_file.h"

#define SIGNATURES_MAX (1 << 20)

struct options {
	const char *signatures, *expect;
	bool json, selftest, quiet;
};

/* --- people ---------------------------------------------------------------------------------- */

static void print_functions(const struct tls_found *f)
{
	static const struct column columns[] = {
		{"STACK", 6, 16, 3, false},  {"FUNCTION", 10, 34, 0, false},
		{"OFFSET", 8, 12, 0, true},  {"ADDRESS", 8, 12, 2, true},
		{"SITES", 5, 5, 5, true},    {"SURE", 4, 4, 4, true},
		{"METHOD", 6, 14, 1, false}, {"LAYOUT", 20, 90, 6, false},
		{"WHY", 20, 120, 7, false},
	};
	_cleanup_(table_freep) struct table *t =
		table_new(columns, ARRAY_SIZE(columns), cli_width(stdout), cli_colour(stdout),
			  stdout);

	for (int i = 0; t && i < f->functions_n; i++) {
		const struct tls_function *fn = &f->functions[i];
		char offset[20], vaddr[20], sites[8], sure[8], layout[200];
		const char *cells[] = {tls_stack_name(fn->stack),
				       fn->name,
				       offset,
				       vaddr,
				       sites,
				       sure,
				       fn->method,
				       layout,
				       fn->why};

		snprintf(offset, sizeof(offset), "0x%llx",
			 (unsigned long long)(fn->n ? f->sites[fn->first].offset -
							      (f->sites[fn->first].vaddr -
							       fn->vaddr)
						    : 0));
		snprintf(vaddr, sizeof(vaddr), "0x%llx", (unsigned long long)fn->vaddr);
		snprintf(sites, sizeof(sites), "%u", fn->n);
		snprintf(sure, sizeof(sure), "%u%%", fn->confidence);
		tls_layout_words(fn->cookie, f->arch, layout, sizeof(layout));
		table_row(t, cells, ARRAY_SIZE(cells), NULL, NULL);
	}
	if (t)
		table_flush(t);
}

static void print_file(const char *path, const struct tls_file *f)
{
	const struct tls_found *x = &f->found;
	char safe[4096];

	printable_copy(safe, sizeof(safe), path);
	printf("%s: ", safe);
	if (f->result == -ENOEXEC) {
		puts("not an ELF file of a known machine");
		return;
	}
	if (f->result < 0) {
		printf("refused: %s\n", *f->why ? f->why : strerror(-f->result));
		return;
	}
	printf("%s, %s%s, ", x->arch, *x->build_id ? "build-id " : "no build-id", x->build_id);
	for (int i = 0; i < TLS_STACK__MAX; i++)
		if (*x->version[i])
			printf("%s %s, ", tls_stack_name(i), x->version[i]);
	printf("%u functions, %.1f MB in %.2f s\n", x->functions_n, f->size / 1e6, f->seconds);
	if (x->functions_n)
		print_functions(x);
	for (int i = 0; i < x->notes_n; i++)
		printf("note: %s\n", x->notes[i]);
}

/* --- programs -------------------------------------------------------------------------------- */

static json_t *function_json(const struct tls_found *x, const struct tls_function *fn)
{
	json_t *sites = json_array();
	char layout[200];

	tls_layout_words(fn->cookie, x->arch, layout, sizeof(layout));
	for (int i = 0; i < fn->n; i++) {
		const struct tls_site_at *s = &x->sites[fn->first + i];

		json_array_append_new(sites,
				      json_pack("{s:I, s:I, s:I}", "offset", (json_int_t)s->offset,
						"vaddr", (json_int_t)s->vaddr, "cookie",
						(json_int_t)s->cookie));
	}
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:I, s:o}", "stack",
			 tls_stack_name(fn->stack), "function", fn->name, "method", fn->method,
			 "confidence", fn->confidence, "layout", layout, "why", fn->why, "vaddr",
			 (json_int_t)fn->vaddr, "sites", sites);
}

static json_t *file_json(const char *path, const struct tls_file *f)
{
	json_t *functions = json_array(), *notes = json_array(), *versions = json_object();
	const struct tls_found *x = &f->found;
	char safe[4096];

	printable_copy(safe, sizeof(safe), path);
	for (int i = 0; i < x->functions_n; i++)
		json_array_append_new(functions, function_json(x, &x->functions[i]));
	for (int i = 0; i < x->notes_n; i++)
		json_array_append_new(notes, json_string(x->notes[i]));
	for (int i = 0; i < TLS_STACK__MAX; i++)
		if (*x->version[i])
			json_object_set_new(versions, tls_stack_name(i),
					    json_string(x->version[i]));
	return json_pack("{s:s, s:s, s:s*, s:s, s:i, s:I, s:f, s:o, s:o, s:o}", "file", safe,
			 "result",
			 f->result >= 0		 ? "elf"
			 : f->result == -ENOEXEC ? "not-elf"
						 : "refused",
			 "refused", *f->why ? f->why : NULL, "build_id", x->build_id, "signatures",
			 x->signatures, "size", (json_int_t)f->size, "seconds", f->seconds,
			 "versions", versions, "functions", functions, "notes", notes);
}

/* --- the command ----------------------------------------------------------------------------- */

static int show(const struct options *o, const struct tls_signatures *s, char **files)
{
	_cleanup_free_ struct tls_file *f = malloc(sizeof(*f));
	json_t *all = o->json ? json_array() : NULL;
	int code = CLI_OK;

	for (; f && *files; files++) {
		int r = tls_file_read(*files, s, false, f);

		if (r < 0) {
			code = cli_unreadable(*files, -r);
			continue;
		}
		if (f->result <= 0 && code == CLI_OK)
			code = CLI_NEGATIVE;
		if (all)
			json_array_append_new(all, file_json(*files, f));
		else
			print_file(*files, f);
	}
	if (all && cli_print_json(all, false, stdout))
		return CLI_UNREACHABLE;
	return f ? code : CLI_UNREACHABLE;
}

static int load(const char *path, struct tls_signatures **ret)
{
	_cleanup_free_ char *yaml = NULL;
	char err[256] = "";
	size_t n = 0;
	int r = path ? fs_read(path, SIGNATURES_MAX, &yaml, &n) : 0;

	if (r < 0)
		return cli_unreadable(path, -r);
	r = tls_signatures_load(yaml, n, ret, err, sizeof(err));
	if (r == 0)
		return -1;
	fprintf(stderr, "probity tls: %s: %s\n", path ? path : "signatures",
		*err ? err : strerror(-r));
	return CLI_UNREACHABLE;
}

int cmd_tls(int argc, char **argv)
{
	struct tls_signatures *s = NULL;
	struct options o = {0};
	const struct cli_option options[] = {
		{"selftest", 0, CLI_FLAG, &o.selftest, NULL, "try every signature"},
		{"expect", 0, CLI_TEXT, &o.expect, "LIST",
		 "known files for --selftest DIR (default DIR/expected)"},
		{"signatures", 0, CLI_TEXT, &o.signatures, "FILE",
		 "another table than the built-in one"},
		{"quiet", 'q', CLI_FLAG, &o.quiet, NULL,
		 "with --selftest: only what does not hold"},
		CLI_OPT_JSON(&o.json),
		{0},
	};
	const struct cli_usage u = {
		"tls",
		"FILE... | --selftest [DIR]",
		"Prints the TLS functions in each file, where they are and how they were recognised.\n"
		"--selftest makes a right and a nearly right file for every signature and tries it,\n"
		"compares the files below DIR with the list of known ones, and checks that ordinary\n"
		"system files are not taken for a TLS stack.",
		options,
		"Exit code 0: functions in every file, or every test holds. 1: a file without, or a test\n"
		"that does not hold. 3: a file cannot be read.",
	};
	int first, r = cli_options(&u, argc, argv, &first);

	if (r >= 0)
		return r;
	if (o.selftest ? first + 1 < argc : first == argc)
		return cli_wrong(&u, o.selftest ? "takes one folder" : "wants a file");
	r = load(o.signatures, &s);
	if (r < 0)
		r = o.selftest ? tls_selftest(s, argv[first], o.expect, o.quiet)
			       : show(&o, s, argv + first);
	tls_signatures_free(s);
	return r;
}
