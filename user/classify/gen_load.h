/* SPDX-License-Identifier: Apache-2.0 */
/* Build time only: policies/catalog.yaml read and checked. See gen_load.c. */
#ifndef PROBITY_CLASSIFY_GEN_LOAD_H
#define PROBITY_CLASSIFY_GEN_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct src_service {
	const char *id, *name, *vendor, *kind, *hq;
};
struct src_host {
	const char *pattern, *role, *evidence;
	uint16_t service;
};
struct src_op {
	const char *method, *path, *operation, *otel, *dialect;
	uint16_t service;
};
struct src_port {
	uint16_t port, service;
};
struct src_tool {
	const char *id, *name, *vendor, *kind;
};
enum src_text_kind { SRC_EXE, SRC_EXE_GENERIC, SRC_EXE_PATH, SRC_ARGV, SRC_NPM, SRC_PYPI };
struct src_text {
	enum src_text_kind kind;
	const char *text;
	uint16_t tool;
};

#define SRC_LIST(type, name) \
	struct type *name;   \
	size_t name##_n
struct catalog_source {
	const char *compiled; /* meta.compiled */
	SRC_LIST(src_service, services);
	SRC_LIST(src_host, hosts);
	SRC_LIST(src_op, ops);
	SRC_LIST(src_port, ports);
	SRC_LIST(src_tool, tools);
	SRC_LIST(src_text, texts);
	void *private; /* owns the texts */
};

/* 0, or -EINVAL and "name:LINE: what" in err. */
int catalog_source_load(const char *name, const char *yaml, size_t n, struct catalog_source *ret,
			char *err, size_t err_len);
void catalog_source_free(struct catalog_source *s);
/* Prints build/gen/catalog_data.c; 0, or -errno with a reason in err. */
int catalog_source_emit(const struct catalog_source *s, const char *sha256_hex, FILE *out,
			char *err, size_t err_len);

#endif
